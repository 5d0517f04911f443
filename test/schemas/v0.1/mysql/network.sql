/*M!999999\- enable the sandbox mode */ 
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `agents` (
  `id` varchar(36) NOT NULL,
  `host` varchar(255) NOT NULL,
  `agent_type` varchar(255) NOT NULL,
  `binary_name` varchar(255) NOT NULL,
  `version` varchar(64) NOT NULL,
  `description` varchar(255) NOT NULL,
  `availability_zone` varchar(255) NOT NULL,
  `admin_state_up` int(11) NOT NULL,
  `capabilities` longtext NOT NULL,
  `configurations` longtext NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `started_at` bigint(20) NOT NULL,
  `heartbeat_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `agents_host` (`host`,`agent_type`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `agents` DISABLE KEYS */;
INSERT INTO `agents` VALUES ('d7b1efd0-001c-4989-af1f-7e1492b4af80','host-1','Virga node agent','virga','v0.1','','nova',1,'[]','{\"tunnel_types\":[\"vxlan\"],\"tunneling_ip\":\"127.0.0.1\"}',1795335443859342,1795335443843975,1795335443859342);
/*!40000 ALTER TABLE `agents` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `counters` (
  `name` varchar(64) NOT NULL,
  `value` bigint(20) NOT NULL,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `counters` DISABLE KEYS */;
INSERT INTO `counters` VALUES ('vxlan',2);
/*!40000 ALTER TABLE `counters` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `feed` (
  `seq` bigint(20) NOT NULL AUTO_INCREMENT,
  `at` bigint(20) NOT NULL,
  `request_id` varchar(64) NOT NULL,
  `user_id` varchar(64) NOT NULL,
  `project_id` varchar(64) NOT NULL,
  `kind` varchar(64) NOT NULL,
  `resource_id` varchar(255) NOT NULL,
  `action` varchar(64) NOT NULL,
  `detail` longtext DEFAULT NULL,
  PRIMARY KEY (`seq`),
  KEY `feed_at` (`at`)
) ENGINE=InnoDB AUTO_INCREMENT=19 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `feed` DISABLE KEYS */;
INSERT INTO `feed` VALUES (1,1795335443566683,'','','','network','963e493d-24ac-4a1a-a493-f9f1fd45de52','create','{\"seed\":\"public\"}');
INSERT INTO `feed` VALUES (2,1795335443567767,'','','','network','4e6239a9-b918-4c21-a5f5-aa187120ac20','create','{\"seed\":\"private\"}');
INSERT INTO `feed` VALUES (3,1795335443570814,'','','','router','c523b278-d6de-4702-980f-0f8ca0126389','create','{\"seed\":\"router1\"}');
INSERT INTO `feed` VALUES (4,1795335444411359,'req-33c0acb6-7ea9-406a-a58a-315d51013b81','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','network','f874acac-dc08-4060-9061-c068aed44f7d','create','null');
INSERT INTO `feed` VALUES (5,1795335444416271,'req-13831dec-0df5-4f3d-9c0e-f1615de8d24f','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','subnet','d4135ab1-5354-4a94-9e78-abf06a5f461e','create','null');
INSERT INTO `feed` VALUES (6,1795335444423875,'req-400089be-2bcf-4708-82a3-94f0589eb98a','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','router','d4dc46d2-9052-42ec-bab1-43583998fa4c','create','null');
INSERT INTO `feed` VALUES (7,1795335444440938,'req-583791e1-851c-46a6-bc7e-4ca3cab6d74a','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','router','d4dc46d2-9052-42ec-bab1-43583998fa4c','update','null');
INSERT INTO `feed` VALUES (8,1795335444443341,'','','','security_group','f92afe60-25ae-4ce0-96ff-7643d898baed','create','null');
INSERT INTO `feed` VALUES (9,1795335444444709,'req-c5800a7c-e3f1-42aa-aef9-4b0614c63237','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','security_group','9dd58fc8-e2b1-4cec-8f10-65e7e5c41106','create','null');
INSERT INTO `feed` VALUES (10,1795335444447746,'req-52159760-f852-42cc-98cc-3a17df9f9a92','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','security_group_rule','dd3660c5-d251-46b0-9ed3-6cdc3347b6b7','create','{\"security_group_id\":\"9dd58fc8-e2b1-4cec-8f10-65e7e5c41106\"}');
INSERT INTO `feed` VALUES (11,1795335444453211,'req-75c79299-d41f-49be-9e1f-3cc14086f4cc','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','port','16563c34-0b2d-4505-92ca-7ad582e13c89','create','null');
INSERT INTO `feed` VALUES (12,1795335444455399,'req-ed6a8cd7-1010-49ab-8625-6eb99d1e0a87','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','tags','16563c34-0b2d-4505-92ca-7ad582e13c89','update','{\"table\":\"ports\"}');
INSERT INTO `feed` VALUES (13,1795335444505564,'req-6e5c8071-1488-4d2b-9132-5978049a41c7','compute','','port','16563c34-0b2d-4505-92ca-7ad582e13c89','update','null');
INSERT INTO `feed` VALUES (14,1795335444511358,'','','','port','16563c34-0b2d-4505-92ca-7ad582e13c89','status','{\"host\":\"host-1\",\"status\":\"ACTIVE\"}');
INSERT INTO `feed` VALUES (15,1795335444564030,'req-b03f3bec-9adf-439a-a54b-d6a61bf01e2d','compute','','port','a083df94-5d0c-4315-9729-72ef447ca541','create','null');
INSERT INTO `feed` VALUES (16,1795335444572140,'','','','port','a083df94-5d0c-4315-9729-72ef447ca541','status','{\"host\":\"host-1\",\"status\":\"ACTIVE\"}');
INSERT INTO `feed` VALUES (17,1795335444614347,'req-8eb7136e-83b8-4e71-bd98-1f0535fbc200','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','floatingip','47783e67-16aa-4b5e-8abd-e0b0a9cec437','create','null');
INSERT INTO `feed` VALUES (18,1795335444630787,'req-5758038e-eb66-45d5-be04-fbc31dc6b595','compute','','port','a083df94-5d0c-4315-9729-72ef447ca541','delete','null');
/*!40000 ALTER TABLE `feed` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `feed_schema` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `version_id` bigint(20) NOT NULL,
  `is_applied` tinyint(1) NOT NULL,
  `tstamp` datetime DEFAULT current_timestamp(),
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `feed_schema` DISABLE KEYS */;
INSERT INTO `feed_schema` VALUES (1,0,1,'2026-11-22 08:17:23');
INSERT INTO `feed_schema` VALUES (2,1,1,'2026-11-22 08:17:23');
/*!40000 ALTER TABLE `feed_schema` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `floating_ips` (
  `id` varchar(36) NOT NULL,
  `project_id` varchar(64) NOT NULL,
  `description` varchar(255) NOT NULL,
  `network_id` varchar(36) NOT NULL,
  `floating_address` varchar(64) NOT NULL,
  `floating_port_id` varchar(36) NOT NULL,
  `router_id` varchar(36) NOT NULL,
  `port_id` varchar(36) NOT NULL,
  `fixed_address` varchar(64) NOT NULL,
  `status` varchar(16) NOT NULL,
  `revision` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `floating_ips_project` (`project_id`,`id`),
  KEY `floating_ips_port` (`port_id`),
  KEY `floating_ips_router` (`router_id`),
  KEY `floating_ips_network` (`network_id`),
  KEY `floating_ips_floating_port` (`floating_port_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `floating_ips` DISABLE KEYS */;
INSERT INTO `floating_ips` VALUES ('47783e67-16aa-4b5e-8abd-e0b0a9cec437','2880762c2f8741d6aaeb2bd770749ef6','','963e493d-24ac-4a1a-a493-f9f1fd45de52','172.24.4.12','12c2de7c-7c9f-4b2e-bfe2-327d3547d0ae','d4dc46d2-9052-42ec-bab1-43583998fa4c','16563c34-0b2d-4505-92ca-7ad582e13c89','10.9.0.2','ACTIVE',0,1795335444610720,1795335444610720);
/*!40000 ALTER TABLE `floating_ips` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `hosts` (
  `name` varchar(255) NOT NULL,
  `vtep` varchar(64) NOT NULL,
  `generation` bigint(20) NOT NULL,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `hosts` DISABLE KEYS */;
INSERT INTO `hosts` VALUES ('host-1','127.0.0.1',13);
/*!40000 ALTER TABLE `hosts` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `network_schema` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `version_id` bigint(20) NOT NULL,
  `is_applied` tinyint(1) NOT NULL,
  `tstamp` datetime DEFAULT current_timestamp(),
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `network_schema` DISABLE KEYS */;
INSERT INTO `network_schema` VALUES (1,0,1,'2026-11-22 08:17:23');
INSERT INTO `network_schema` VALUES (2,1,1,'2026-11-22 08:17:23');
/*!40000 ALTER TABLE `network_schema` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `networks` (
  `id` varchar(36) NOT NULL,
  `project_id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `description` varchar(255) NOT NULL,
  `admin_state_up` int(11) NOT NULL,
  `shared` int(11) NOT NULL,
  `external` int(11) NOT NULL,
  `is_default` int(11) NOT NULL,
  `mtu` int(11) NOT NULL,
  `port_security` int(11) NOT NULL,
  `network_type` varchar(16) NOT NULL,
  `physical_network` varchar(64) NOT NULL,
  `segmentation_id` int(11) NOT NULL,
  `segment_key` varchar(120) NOT NULL,
  `az_hints` longtext NOT NULL,
  `host_gateway` int(11) NOT NULL,
  `host_nat` int(11) NOT NULL,
  `revision` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `networks_segment` (`segment_key`),
  KEY `networks_project` (`project_id`,`id`),
  KEY `networks_external` (`external`,`id`),
  KEY `networks_shared` (`shared`,`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `networks` DISABLE KEYS */;
INSERT INTO `networks` VALUES ('4e6239a9-b918-4c21-a5f5-aa187120ac20','2880762c2f8741d6aaeb2bd770749ef6','private','',1,0,0,0,1450,1,'vxlan','',1,'vxlan:1','[]',0,0,0,1795335443567038,1795335443567038);
INSERT INTO `networks` VALUES ('963e493d-24ac-4a1a-a493-f9f1fd45de52','2880762c2f8741d6aaeb2bd770749ef6','public','',1,0,1,1,1500,1,'flat','public',0,'flat:public','[]',1,0,0,1795335443565150,1795335443565150);
INSERT INTO `networks` VALUES ('f874acac-dc08-4060-9061-c068aed44f7d','2880762c2f8741d6aaeb2bd770749ef6','street','',1,0,0,0,1450,1,'vxlan','',2,'vxlan:2','[]',0,0,0,1795335444409240,1795335444409240);
/*!40000 ALTER TABLE `networks` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `port_addresses` (
  `port_id` varchar(36) NOT NULL,
  `network_id` varchar(36) NOT NULL,
  `subnet_id` varchar(36) NOT NULL,
  `address` varchar(64) NOT NULL,
  `address_key` varchar(32) NOT NULL,
  `place` int(11) NOT NULL,
  PRIMARY KEY (`subnet_id`,`address_key`),
  KEY `port_addresses_port` (`port_id`,`place`),
  KEY `port_addresses_address` (`address`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `port_addresses` DISABLE KEYS */;
INSERT INTO `port_addresses` VALUES ('4afdb9ce-6f99-4de1-a40b-20db25e512b1','4e6239a9-b918-4c21-a5f5-aa187120ac20','a1266a9f-594e-45f6-a997-3524500a20c5','10.0.0.1','00000000000000000000ffff0a000001',0);
INSERT INTO `port_addresses` VALUES ('d3ecf3b8-09cb-42d3-b1c5-99e1ad6e3171','f874acac-dc08-4060-9061-c068aed44f7d','d4135ab1-5354-4a94-9e78-abf06a5f461e','10.9.0.1','00000000000000000000ffff0a090001',0);
INSERT INTO `port_addresses` VALUES ('16563c34-0b2d-4505-92ca-7ad582e13c89','f874acac-dc08-4060-9061-c068aed44f7d','d4135ab1-5354-4a94-9e78-abf06a5f461e','10.9.0.2','00000000000000000000ffff0a090002',0);
INSERT INTO `port_addresses` VALUES ('785f3294-ebb0-4687-b05e-1e0730943c86','f874acac-dc08-4060-9061-c068aed44f7d','d4135ab1-5354-4a94-9e78-abf06a5f461e','10.9.0.3','00000000000000000000ffff0a090003',0);
INSERT INTO `port_addresses` VALUES ('031eae5e-c682-4c3f-b831-c19d8df093b3','963e493d-24ac-4a1a-a493-f9f1fd45de52','d8cab83d-9e30-41d3-b357-6343a3963e7a','172.24.4.10','00000000000000000000ffffac18040a',0);
INSERT INTO `port_addresses` VALUES ('19ab5ad4-93ac-40b2-a203-a4201fb45087','963e493d-24ac-4a1a-a493-f9f1fd45de52','d8cab83d-9e30-41d3-b357-6343a3963e7a','172.24.4.11','00000000000000000000ffffac18040b',0);
INSERT INTO `port_addresses` VALUES ('12c2de7c-7c9f-4b2e-bfe2-327d3547d0ae','963e493d-24ac-4a1a-a493-f9f1fd45de52','d8cab83d-9e30-41d3-b357-6343a3963e7a','172.24.4.12','00000000000000000000ffffac18040c',0);
/*!40000 ALTER TABLE `port_addresses` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `port_groups` (
  `port_id` varchar(36) NOT NULL,
  `security_group_id` varchar(36) NOT NULL,
  `host` varchar(255) NOT NULL,
  PRIMARY KEY (`port_id`,`security_group_id`),
  KEY `port_groups_group` (`security_group_id`,`host`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `port_groups` DISABLE KEYS */;
INSERT INTO `port_groups` VALUES ('16563c34-0b2d-4505-92ca-7ad582e13c89','9dd58fc8-e2b1-4cec-8f10-65e7e5c41106','host-1');
/*!40000 ALTER TABLE `port_groups` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `ports` (
  `id` varchar(36) NOT NULL,
  `network_id` varchar(36) NOT NULL,
  `project_id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `description` varchar(255) NOT NULL,
  `mac_address` varchar(17) NOT NULL,
  `admin_state_up` int(11) NOT NULL,
  `status` varchar(16) NOT NULL,
  `status_detail` longtext NOT NULL,
  `device_id` varchar(255) NOT NULL,
  `device_owner` varchar(255) NOT NULL,
  `host` varchar(255) NOT NULL,
  `vnic_type` varchar(64) NOT NULL,
  `binding_profile` longtext NOT NULL,
  `port_security` int(11) NOT NULL,
  `address_pairs` longtext NOT NULL,
  `dhcp_options` longtext NOT NULL,
  `revision` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `ports_mac` (`network_id`,`mac_address`),
  KEY `ports_project` (`project_id`,`id`),
  KEY `ports_device` (`device_id`,`id`),
  KEY `ports_host` (`host`,`network_id`),
  KEY `ports_network_host` (`network_id`,`host`,`device_owner`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `ports` DISABLE KEYS */;
INSERT INTO `ports` VALUES ('031eae5e-c682-4c3f-b831-c19d8df093b3','963e493d-24ac-4a1a-a493-f9f1fd45de52','','','','fa:16:3e:61:da:eb',1,'ACTIVE','','c523b278-d6de-4702-980f-0f8ca0126389','network:router_gateway','host-1','normal','null',0,'null','null',0,1795335443569101,1795335443569101);
INSERT INTO `ports` VALUES ('12c2de7c-7c9f-4b2e-bfe2-327d3547d0ae','963e493d-24ac-4a1a-a493-f9f1fd45de52','','','','fa:16:3e:f1:71:f1',1,'N/A','','47783e67-16aa-4b5e-8abd-e0b0a9cec437','network:floatingip','','normal','null',0,'null','null',0,1795335444611592,1795335444611592);
INSERT INTO `ports` VALUES ('16563c34-0b2d-4505-92ca-7ad582e13c89','f874acac-dc08-4060-9061-c068aed44f7d','2880762c2f8741d6aaeb2bd770749ef6','door','','fa:16:3e:bc:b8:c8',1,'ACTIVE','','cef8ff1d-669e-479e-8c70-6f16735025c3','compute:nova','host-1','normal','null',1,'[]','null',3,1795335444451558,1795335444511060);
INSERT INTO `ports` VALUES ('19ab5ad4-93ac-40b2-a203-a4201fb45087','963e493d-24ac-4a1a-a493-f9f1fd45de52','','','','fa:16:3e:71:da:0e',1,'ACTIVE','','d4dc46d2-9052-42ec-bab1-43583998fa4c','network:router_gateway','host-1','normal','null',0,'null','null',0,1795335444421299,1795335444421299);
INSERT INTO `ports` VALUES ('4afdb9ce-6f99-4de1-a40b-20db25e512b1','4e6239a9-b918-4c21-a5f5-aa187120ac20','2880762c2f8741d6aaeb2bd770749ef6','','','fa:16:3e:b0:6e:25',1,'ACTIVE','','c523b278-d6de-4702-980f-0f8ca0126389','network:router_interface','host-1','normal','null',0,'null','null',0,1795335443569963,1795335443569963);
INSERT INTO `ports` VALUES ('785f3294-ebb0-4687-b05e-1e0730943c86','f874acac-dc08-4060-9061-c068aed44f7d','2880762c2f8741d6aaeb2bd770749ef6','','','fa:16:3e:23:71:b7',1,'DOWN','','dhcp-f874acac-dc08-4060-9061-c068aed44f7d','network:dhcp','host-1','normal','null',0,'null','null',0,1795335444504166,1795335444504166);
INSERT INTO `ports` VALUES ('d3ecf3b8-09cb-42d3-b1c5-99e1ad6e3171','f874acac-dc08-4060-9061-c068aed44f7d','2880762c2f8741d6aaeb2bd770749ef6','','','fa:16:3e:1c:d7:88',1,'ACTIVE','','d4dc46d2-9052-42ec-bab1-43583998fa4c','network:router_interface','host-1','normal','null',0,'null','null',0,1795335444438698,1795335444438698);
/*!40000 ALTER TABLE `ports` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `quotas` (
  `project_id` varchar(64) NOT NULL,
  `resource` varchar(64) NOT NULL,
  `amount` bigint(20) NOT NULL,
  PRIMARY KEY (`project_id`,`resource`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `quotas` DISABLE KEYS */;
/*!40000 ALTER TABLE `quotas` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `routers` (
  `id` varchar(36) NOT NULL,
  `project_id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `description` varchar(255) NOT NULL,
  `admin_state_up` int(11) NOT NULL,
  `status` varchar(16) NOT NULL,
  `status_detail` longtext NOT NULL,
  `host` varchar(255) NOT NULL,
  `gateway_port_id` varchar(36) NOT NULL,
  `gateway_network_id` varchar(36) NOT NULL,
  `enable_snat` int(11) NOT NULL,
  `routes` longtext NOT NULL,
  `az_hints` longtext NOT NULL,
  `revision` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `routers_project` (`project_id`,`id`),
  KEY `routers_host` (`host`),
  KEY `routers_gateway_network` (`gateway_network_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `routers` DISABLE KEYS */;
INSERT INTO `routers` VALUES ('c523b278-d6de-4702-980f-0f8ca0126389','2880762c2f8741d6aaeb2bd770749ef6','router1','',1,'ACTIVE','','host-1','031eae5e-c682-4c3f-b831-c19d8df093b3','963e493d-24ac-4a1a-a493-f9f1fd45de52',1,'[]','[]',0,1795335443568246,1795335443568246);
INSERT INTO `routers` VALUES ('d4dc46d2-9052-42ec-bab1-43583998fa4c','2880762c2f8741d6aaeb2bd770749ef6','gate','',1,'ACTIVE','','host-1','19ab5ad4-93ac-40b2-a203-a4201fb45087','963e493d-24ac-4a1a-a493-f9f1fd45de52',1,'[]','[]',1,1795335444419494,1795335444439471);
/*!40000 ALTER TABLE `routers` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `security_group_rules` (
  `id` varchar(36) NOT NULL,
  `project_id` varchar(64) NOT NULL,
  `security_group_id` varchar(36) NOT NULL,
  `description` varchar(255) NOT NULL,
  `direction` varchar(8) NOT NULL,
  `ethertype` varchar(8) NOT NULL,
  `protocol` varchar(40) NOT NULL,
  `port_range_min` int(11) DEFAULT NULL,
  `port_range_max` int(11) DEFAULT NULL,
  `remote_ip_prefix` varchar(64) NOT NULL,
  `remote_group_id` varchar(36) NOT NULL,
  `identity_key` varchar(255) NOT NULL,
  `revision` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `security_group_rules_identity` (`identity_key`),
  KEY `security_group_rules_group` (`security_group_id`,`id`),
  KEY `security_group_rules_remote` (`remote_group_id`),
  KEY `security_group_rules_project` (`project_id`,`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `security_group_rules` DISABLE KEYS */;
INSERT INTO `security_group_rules` VALUES ('2441a575-756f-478e-af4e-ccc876bea3c2','2880762c2f8741d6aaeb2bd770749ef6','f92afe60-25ae-4ce0-96ff-7643d898baed','','egress','IPv4','',NULL,NULL,'','','f92afe60-25ae-4ce0-96ff-7643d898baed|egress|IPv4|-1|-|-||',0,1795335444442729,1795335444442729);
INSERT INTO `security_group_rules` VALUES ('76d634f2-e821-4363-bc4d-9dddd194bf5c','2880762c2f8741d6aaeb2bd770749ef6','9dd58fc8-e2b1-4cec-8f10-65e7e5c41106','','egress','IPv6','',NULL,NULL,'','','9dd58fc8-e2b1-4cec-8f10-65e7e5c41106|egress|IPv6|-1|-|-||',0,1795335444442365,1795335444442365);
INSERT INTO `security_group_rules` VALUES ('8b5d9ed2-d2db-448e-acc6-0e26b1c03ea2','2880762c2f8741d6aaeb2bd770749ef6','f92afe60-25ae-4ce0-96ff-7643d898baed','','ingress','IPv6','',NULL,NULL,'','f92afe60-25ae-4ce0-96ff-7643d898baed','f92afe60-25ae-4ce0-96ff-7643d898baed|ingress|IPv6|-1|-|-||f92afe60-25ae-4ce0-96ff-7643d898baed',0,1795335444442729,1795335444442729);
INSERT INTO `security_group_rules` VALUES ('d0cef893-fc8b-4e5a-a050-b155f8707dd4','2880762c2f8741d6aaeb2bd770749ef6','f92afe60-25ae-4ce0-96ff-7643d898baed','','ingress','IPv4','',NULL,NULL,'','f92afe60-25ae-4ce0-96ff-7643d898baed','f92afe60-25ae-4ce0-96ff-7643d898baed|ingress|IPv4|-1|-|-||f92afe60-25ae-4ce0-96ff-7643d898baed',0,1795335444442728,1795335444442728);
INSERT INTO `security_group_rules` VALUES ('dd3660c5-d251-46b0-9ed3-6cdc3347b6b7','2880762c2f8741d6aaeb2bd770749ef6','9dd58fc8-e2b1-4cec-8f10-65e7e5c41106','','ingress','IPv4','tcp',22,22,'0.0.0.0/0','','9dd58fc8-e2b1-4cec-8f10-65e7e5c41106|ingress|IPv4|6|22|22||',0,1795335444446802,1795335444446802);
INSERT INTO `security_group_rules` VALUES ('fdd9e054-4195-4add-82bf-b4421dfd2267','2880762c2f8741d6aaeb2bd770749ef6','9dd58fc8-e2b1-4cec-8f10-65e7e5c41106','','egress','IPv4','',NULL,NULL,'','','9dd58fc8-e2b1-4cec-8f10-65e7e5c41106|egress|IPv4|-1|-|-||',0,1795335444442365,1795335444442365);
INSERT INTO `security_group_rules` VALUES ('ff64be63-4e20-4160-8adc-83b7ef71d5cb','2880762c2f8741d6aaeb2bd770749ef6','f92afe60-25ae-4ce0-96ff-7643d898baed','','egress','IPv6','',NULL,NULL,'','','f92afe60-25ae-4ce0-96ff-7643d898baed|egress|IPv6|-1|-|-||',0,1795335444442730,1795335444442730);
/*!40000 ALTER TABLE `security_group_rules` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `security_groups` (
  `id` varchar(36) NOT NULL,
  `project_id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `description` varchar(255) NOT NULL,
  `default_of` varchar(64) DEFAULT NULL,
  `revision` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `security_groups_default` (`default_of`),
  KEY `security_groups_project` (`project_id`,`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `security_groups` DISABLE KEYS */;
INSERT INTO `security_groups` VALUES ('9dd58fc8-e2b1-4cec-8f10-65e7e5c41106','2880762c2f8741d6aaeb2bd770749ef6','guards','',NULL,1,1795335444442364,1795335444447278);
INSERT INTO `security_groups` VALUES ('f92afe60-25ae-4ce0-96ff-7643d898baed','2880762c2f8741d6aaeb2bd770749ef6','default','Default security group','2880762c2f8741d6aaeb2bd770749ef6',0,1795335444442727,1795335444442727);
/*!40000 ALTER TABLE `security_groups` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `seeded` (
  `name` varchar(64) NOT NULL,
  `resource_id` varchar(36) NOT NULL,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `seeded` DISABLE KEYS */;
INSERT INTO `seeded` VALUES ('private','4e6239a9-b918-4c21-a5f5-aa187120ac20');
INSERT INTO `seeded` VALUES ('public','963e493d-24ac-4a1a-a493-f9f1fd45de52');
INSERT INTO `seeded` VALUES ('router1','c523b278-d6de-4702-980f-0f8ca0126389');
/*!40000 ALTER TABLE `seeded` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `subnets` (
  `id` varchar(36) NOT NULL,
  `network_id` varchar(36) NOT NULL,
  `project_id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `description` varchar(255) NOT NULL,
  `ip_version` int(11) NOT NULL,
  `cidr` varchar(64) NOT NULL,
  `gateway_ip` varchar(64) NOT NULL,
  `enable_dhcp` int(11) NOT NULL,
  `ipv6_ra_mode` varchar(16) NOT NULL,
  `ipv6_address_mode` varchar(16) NOT NULL,
  `pools` longtext NOT NULL,
  `address_cursor` varchar(32) NOT NULL,
  `dns_nameservers` longtext NOT NULL,
  `host_routes` longtext NOT NULL,
  `revision` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `subnets_network` (`network_id`),
  KEY `subnets_project` (`project_id`,`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `subnets` DISABLE KEYS */;
INSERT INTO `subnets` VALUES ('a1266a9f-594e-45f6-a997-3524500a20c5','4e6239a9-b918-4c21-a5f5-aa187120ac20','2880762c2f8741d6aaeb2bd770749ef6','private-subnet','',4,'10.0.0.0/24','10.0.0.1',1,'','','[{\"start\":\"10.0.0.2\",\"end\":\"10.0.0.254\"}]','','[]','[]',0,1795335443567349,1795335443567349);
INSERT INTO `subnets` VALUES ('d4135ab1-5354-4a94-9e78-abf06a5f461e','f874acac-dc08-4060-9061-c068aed44f7d','2880762c2f8741d6aaeb2bd770749ef6','','',4,'10.9.0.0/24','10.9.0.1',1,'','','[{\"start\":\"10.9.0.2\",\"end\":\"10.9.0.254\"}]','00000000000000000000ffff0a090004','[\"9.9.9.9\"]','[]',0,1795335444414733,1795335444414733);
INSERT INTO `subnets` VALUES ('d8cab83d-9e30-41d3-b357-6343a3963e7a','963e493d-24ac-4a1a-a493-f9f1fd45de52','2880762c2f8741d6aaeb2bd770749ef6','public-subnet','',4,'172.24.4.0/24','172.24.4.1',0,'','','[{\"start\":\"172.24.4.10\",\"end\":\"172.24.4.250\"}]','00000000000000000000ffffac18040c','[]','[]',0,1795335443565533,1795335443565533);
/*!40000 ALTER TABLE `subnets` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `tags` (
  `resource_id` varchar(36) NOT NULL,
  `tag` varchar(255) NOT NULL,
  PRIMARY KEY (`resource_id`,`tag`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `tags` DISABLE KEYS */;
INSERT INTO `tags` VALUES ('16563c34-0b2d-4505-92ca-7ad582e13c89','blue');
/*!40000 ALTER TABLE `tags` ENABLE KEYS */;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;
