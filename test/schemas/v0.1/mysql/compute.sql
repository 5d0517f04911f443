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
CREATE TABLE `compute_schema` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `version_id` bigint(20) NOT NULL,
  `is_applied` tinyint(1) NOT NULL,
  `tstamp` datetime DEFAULT current_timestamp(),
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `compute_schema` DISABLE KEYS */;
INSERT INTO `compute_schema` VALUES (1,0,1,'2026-11-22 08:17:23');
INSERT INTO `compute_schema` VALUES (2,1,1,'2026-11-22 08:17:23');
/*!40000 ALTER TABLE `compute_schema` ENABLE KEYS */;
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
) ENGINE=InnoDB AUTO_INCREMENT=13 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `feed` DISABLE KEYS */;
INSERT INTO `feed` VALUES (1,1795335443847477,'req-71ea85af-aa22-4169-ad75-a57371d7e99d','node:host-1','','host','host-1','create','null');
INSERT INTO `feed` VALUES (2,1795335444461121,'req-ca68c407-edbc-40f0-91a5-62e2f224e4c0','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','flavor','0e0e5b67-1b1d-40bd-a593-2699e4169a34','create','null');
INSERT INTO `feed` VALUES (3,1795335444466204,'req-239378a7-096d-4961-994e-9ada93202cb5','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','flavor','0e0e5b67-1b1d-40bd-a593-2699e4169a34','update','null');
INSERT INTO `feed` VALUES (4,1795335444468713,'req-72cded2d-8477-4773-a58f-fbb730fc818b','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','keypair','fc5e096e85e6437aaafed5f7057bd365/key','create','null');
INSERT INTO `feed` VALUES (5,1795335444473822,'req-5bdf405a-2030-4b62-9393-93ed8ce09888','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','server_group','d5ccb68f-fd4a-40f2-a3c5-1f684a5c0f04','create','null');
INSERT INTO `feed` VALUES (6,1795335444486768,'req-7110df5f-2739-4ef5-b58a-77cd931abc6c','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','server','cef8ff1d-669e-479e-8c70-6f16735025c3','create.start','null');
INSERT INTO `feed` VALUES (7,1795335444518975,'req-7110df5f-2739-4ef5-b58a-77cd931abc6c','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','server','cef8ff1d-669e-479e-8c70-6f16735025c3','create','null');
INSERT INTO `feed` VALUES (8,1795335444548628,'req-003d2220-9eb3-415c-b7c7-7c224800a3fa','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','server','e8e5a306-fbbe-44f0-aa59-4ff1ce046990','create.start','null');
INSERT INTO `feed` VALUES (9,1795335444576150,'req-003d2220-9eb3-415c-b7c7-7c224800a3fa','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','server','e8e5a306-fbbe-44f0-aa59-4ff1ce046990','create','null');
INSERT INTO `feed` VALUES (10,1795335444609237,'req-0b41cb80-5adb-4956-ab60-54767330f60d','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','server','cef8ff1d-669e-479e-8c70-6f16735025c3','tags','null');
INSERT INTO `feed` VALUES (11,1795335444617710,'req-caf98ba7-bdbb-4290-9a4b-2807142249a9','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','server','e8e5a306-fbbe-44f0-aa59-4ff1ce046990','delete.start','null');
INSERT INTO `feed` VALUES (12,1795335444635958,'req-caf98ba7-bdbb-4290-9a4b-2807142249a9','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','server','e8e5a306-fbbe-44f0-aa59-4ff1ce046990','delete','null');
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
CREATE TABLE `flavor_access` (
  `flavor_id` varchar(255) NOT NULL,
  `project_id` varchar(64) NOT NULL,
  PRIMARY KEY (`flavor_id`,`project_id`),
  KEY `flavor_access_project` (`project_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `flavor_access` DISABLE KEYS */;
/*!40000 ALTER TABLE `flavor_access` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `flavors` (
  `id` varchar(255) NOT NULL,
  `name` varchar(255) NOT NULL,
  `memory_mb` bigint(20) NOT NULL,
  `vcpus` int(11) NOT NULL,
  `root_gb` bigint(20) NOT NULL,
  `ephemeral_gb` bigint(20) NOT NULL,
  `swap_mb` bigint(20) NOT NULL,
  `rxtx_factor` double NOT NULL,
  `is_public` int(11) NOT NULL,
  `description` longtext DEFAULT NULL,
  `extra_specs` longtext NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `name` (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `flavors` DISABLE KEYS */;
INSERT INTO `flavors` VALUES ('0e0e5b67-1b1d-40bd-a593-2699e4169a34','hut',128,1,1,0,0,1,1,NULL,'{\"hw:cpu_policy\":\"shared\"}',1795335444456809,1795335444465778);
INSERT INTO `flavors` VALUES ('1','m1.tiny',512,1,1,0,0,1,1,NULL,'{}',1795335443841108,1795335443841108);
INSERT INTO `flavors` VALUES ('2','m1.small',2048,1,20,0,0,1,1,NULL,'{}',1795335443841108,1795335443841108);
INSERT INTO `flavors` VALUES ('3','m1.medium',4096,2,40,0,0,1,1,NULL,'{}',1795335443841108,1795335443841108);
INSERT INTO `flavors` VALUES ('4','m1.large',8192,4,80,0,0,1,1,NULL,'{}',1795335443841108,1795335443841108);
INSERT INTO `flavors` VALUES ('42','m1.nano',128,1,1,0,0,1,1,NULL,'{}',1795335443841108,1795335443841108);
INSERT INTO `flavors` VALUES ('84','m1.micro',192,1,1,0,0,1,1,NULL,'{}',1795335443841108,1795335443841108);
/*!40000 ALTER TABLE `flavors` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `guest_orders` (
  `server_id` varchar(36) NOT NULL,
  `host` varchar(255) NOT NULL,
  `generation` bigint(20) NOT NULL,
  `operation_id` varchar(64) NOT NULL,
  `epoch` bigint(20) NOT NULL,
  `desired` varchar(16) NOT NULL,
  `body` longtext NOT NULL,
  `reboot_seq` bigint(20) NOT NULL,
  `reboot_hard` int(11) NOT NULL,
  `reboot_done` bigint(20) NOT NULL,
  `settled_generation` bigint(20) NOT NULL,
  `reported_generation` bigint(20) NOT NULL,
  `reported_state` varchar(16) NOT NULL,
  `reported_power` int(11) NOT NULL,
  `error_class` varchar(16) NOT NULL,
  `error_message` longtext NOT NULL,
  `reported_at` bigint(20) NOT NULL,
  PRIMARY KEY (`server_id`,`host`),
  KEY `guest_orders_host` (`host`,`generation`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `guest_orders` DISABLE KEYS */;
INSERT INTO `guest_orders` VALUES ('cef8ff1d-669e-479e-8c70-6f16735025c3','host-1',1,'18c7b885-202a-405d-bc1d-a77e8b982a39',1,'running','{\"server_id\":\"\",\"generation\":0,\"operation_id\":\"\",\"epoch\":0,\"desired\":\"\",\"settled\":false,\"name\":\"first\",\"hostname\":\"first\",\"image\":{\"id\":\"ff1dcd3e-fca8-4b4c-a6a8-593c37f28ae6\",\"sha512\":\"621e98f7ee698b9c164b9de80b28d83c6641e9acd1f4c5b190b91f8a5b2e76dd6eee80ae149625c774556b89312bb79aadeb1401863907b34f88fce398ddbcd4\",\"size\":1500,\"disk_format\":\"raw\",\"virtual_size\":1500},\"flavor\":{\"name\":\"hut\",\"vcpus\":1,\"memory_mb\":128,\"root_gb\":1,\"ephemeral_gb\":0,\"swap_mb\":0},\"nics\":[{\"port_id\":\"16563c34-0b2d-4505-92ca-7ad582e13c89\",\"network_id\":\"f874acac-dc08-4060-9061-c068aed44f7d\",\"mac\":\"fa:16:3e:bc:b8:c8\",\"tap\":\"tap16563c34-0b\",\"mtu\":1450}],\"hints\":{\"machine\":\"q35\"},\"metadata\":{\"flavor_name\":\"hut\",\"image_id\":\"ff1dcd3e-fca8-4b4c-a6a8-593c37f28ae6\",\"project_id\":\"2880762c2f8741d6aaeb2bd770749ef6\",\"project_name\":\"admin\",\"user_id\":\"fc5e096e85e6437aaafed5f7057bd365\",\"user_name\":\"admin\",\"created_at\":\"2026-11-22T08:17:24.483596Z\"}}',0,0,0,1,1,'running',1,'','',1795335444517048);
/*!40000 ALTER TABLE `guest_orders` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `hosts` (
  `num` bigint(20) NOT NULL AUTO_INCREMENT,
  `name` varchar(255) NOT NULL,
  `service_id` varchar(36) NOT NULL,
  `hypervisor_id` varchar(36) NOT NULL,
  `zone` varchar(255) NOT NULL,
  `facts` longtext NOT NULL,
  `disabled` int(11) NOT NULL,
  `disabled_reason` varchar(255) NOT NULL,
  `forced_down` int(11) NOT NULL,
  `generation` bigint(20) NOT NULL,
  `provided` varchar(128) NOT NULL,
  `last_seen` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`num`),
  UNIQUE KEY `name` (`name`),
  UNIQUE KEY `service_id` (`service_id`),
  UNIQUE KEY `hypervisor_id` (`hypervisor_id`)
) ENGINE=InnoDB AUTO_INCREMENT=2 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `hosts` DISABLE KEYS */;
INSERT INTO `hosts` VALUES (1,'host-1','3e9d385e-f0b1-4061-aa0d-21dad8ee7bf9','bc842ced-d53e-40dc-9765-1c77104f0ce8','nova','{\"hostname\":\"host-1\",\"hypervisor_type\":\"fake\",\"hypervisor_version\":1000,\"vcpus\":512,\"memory_mb\":1048576,\"local_gb\":4096,\"local_free_gb\":4096,\"cpu_info\":{\"arch\":\"x86_64\",\"model\":\"fake\",\"vendor\":\"Virga\",\"features\":[],\"topology\":{\"cells\":1,\"sockets\":1,\"cores\":512,\"threads\":1}},\"host_ip\":\"127.0.0.1\",\"virt\":{\"kind\":\"fake\",\"reason\":\"guests are simulated\"},\"supported_guests\":[{\"arch\":\"x86_64\",\"type\":\"fake\",\"mode\":\"hvm\"}],\"agent_version\":\"v0.1\",\"uptime_seconds\":13749,\"load\":[9.81,7.47,4.72]}',0,'',0,3,'59d5f4f52c0ce80f1589a3f9f6a9c825665579afa370522d9dbc877cd1e9d1c3',1795335443847477,1795335443847477,1795335443847477);
/*!40000 ALTER TABLE `hosts` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `keypairs` (
  `num` bigint(20) NOT NULL AUTO_INCREMENT,
  `user_id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `type` varchar(16) NOT NULL,
  `public_key` longtext NOT NULL,
  `fingerprint` varchar(64) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  PRIMARY KEY (`num`),
  UNIQUE KEY `keypairs_name` (`user_id`,`name`)
) ENGINE=InnoDB AUTO_INCREMENT=2 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `keypairs` DISABLE KEYS */;
INSERT INTO `keypairs` VALUES (1,'fc5e096e85e6437aaafed5f7057bd365','key','ssh','ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIxvHyLB0j6Ix0dQZ8gPzSMcyLZUTl3gIbPmVKyNKqLB town','64:ca:d4:b8:06:f6:4c:df:18:9f:75:ac:9a:41:2f:7a',1795335444467134);
/*!40000 ALTER TABLE `keypairs` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `operation_events` (
  `seq` bigint(20) NOT NULL AUTO_INCREMENT,
  `operation_id` varchar(64) NOT NULL,
  `step` varchar(64) NOT NULL,
  `undone` int(11) NOT NULL,
  `started_at` bigint(20) NOT NULL,
  `finished_at` bigint(20) NOT NULL,
  `error` longtext NOT NULL,
  PRIMARY KEY (`seq`),
  KEY `operation_events_operation` (`operation_id`)
) ENGINE=InnoDB AUTO_INCREMENT=16 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `operation_events` DISABLE KEYS */;
INSERT INTO `operation_events` VALUES (1,'18c7b885-202a-405d-bc1d-a77e8b982a39','schedule',0,1795335444486477,1795335444491115,'');
INSERT INTO `operation_events` VALUES (2,'18c7b885-202a-405d-bc1d-a77e8b982a39','claim',0,1795335444491115,1795335444497942,'');
INSERT INTO `operation_events` VALUES (3,'18c7b885-202a-405d-bc1d-a77e8b982a39','network',0,1795335444497942,1795335444508247,'');
INSERT INTO `operation_events` VALUES (4,'18c7b885-202a-405d-bc1d-a77e8b982a39','spawn',0,1795335444508247,1795335444510861,'');
INSERT INTO `operation_events` VALUES (5,'18c7b885-202a-405d-bc1d-a77e8b982a39','settle',0,1795335444510861,1795335444518437,'');
INSERT INTO `operation_events` VALUES (6,'fce24bf4-a9fa-42da-b7c0-1ca411730790','schedule',0,1795335444548501,1795335444553420,'');
INSERT INTO `operation_events` VALUES (7,'fce24bf4-a9fa-42da-b7c0-1ca411730790','claim',0,1795335444553420,1795335444558251,'');
INSERT INTO `operation_events` VALUES (8,'fce24bf4-a9fa-42da-b7c0-1ca411730790','network',0,1795335444558251,1795335444565434,'');
INSERT INTO `operation_events` VALUES (9,'fce24bf4-a9fa-42da-b7c0-1ca411730790','spawn',0,1795335444565434,1795335444566484,'');
INSERT INTO `operation_events` VALUES (10,'fce24bf4-a9fa-42da-b7c0-1ca411730790','settle',0,1795335444566484,1795335444575772,'');
INSERT INTO `operation_events` VALUES (11,'b08a7a07-3107-4110-bd3e-99c361d3bf9b','preempt',0,1795335444616670,1795335444619311,'');
INSERT INTO `operation_events` VALUES (12,'b08a7a07-3107-4110-bd3e-99c361d3bf9b','guest',0,1795335444619311,1795335444626311,'');
INSERT INTO `operation_events` VALUES (13,'b08a7a07-3107-4110-bd3e-99c361d3bf9b','network',0,1795335444626311,1795335444631595,'');
INSERT INTO `operation_events` VALUES (14,'b08a7a07-3107-4110-bd3e-99c361d3bf9b','claim',0,1795335444631595,1795335444634117,'');
INSERT INTO `operation_events` VALUES (15,'b08a7a07-3107-4110-bd3e-99c361d3bf9b','forget',0,1795335444634117,1795335444635082,'');
/*!40000 ALTER TABLE `operation_events` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `operations` (
  `id` varchar(64) NOT NULL,
  `kind` varchar(64) NOT NULL,
  `version` int(11) NOT NULL,
  `resource_kind` varchar(64) NOT NULL,
  `resource_id` varchar(64) NOT NULL,
  `project_id` varchar(64) NOT NULL,
  `user_id` varchar(64) NOT NULL,
  `request_id` varchar(64) NOT NULL,
  `state` varchar(16) NOT NULL,
  `step` int(11) NOT NULL,
  `step_name` varchar(64) NOT NULL,
  `step_started_at` bigint(20) NOT NULL,
  `back_to` int(11) NOT NULL,
  `tries` int(11) NOT NULL,
  `wake_at` bigint(20) NOT NULL,
  `signals` bigint(20) NOT NULL,
  `cancelled` int(11) NOT NULL,
  `deadline` bigint(20) NOT NULL,
  `lease_owner` varchar(64) NOT NULL,
  `lease_until` bigint(20) NOT NULL,
  `epoch` bigint(20) NOT NULL,
  `params` longtext NOT NULL,
  `frame` longtext NOT NULL,
  `error` longtext NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  `finished_at` bigint(20) NOT NULL,
  `last_error` varchar(1000) NOT NULL DEFAULT '',
  PRIMARY KEY (`id`),
  KEY `operations_due` (`finished_at`,`wake_at`),
  KEY `operations_resource` (`resource_id`,`finished_at`),
  KEY `operations_created` (`created_at`,`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `operations` DISABLE KEYS */;
INSERT INTO `operations` VALUES ('18c7b885-202a-405d-bc1d-a77e8b982a39','server_create',1,'server','cef8ff1d-669e-479e-8c70-6f16735025c3','2880762c2f8741d6aaeb2bd770749ef6','fc5e096e85e6437aaafed5f7057bd365','req-7110df5f-2739-4ef5-b58a-77cd931abc6c','done',4,'settle',1795335444510861,-1,0,1795335444517501,1,0,1795339044486477,'host-1',0,1,'{\"nics\":[{\"key\":\"cbd2873c-bbc4-40f4-aced-6b58935fee68\",\"port_id\":\"16563c34-0b2d-4505-92ca-7ad582e13c89\",\"network_id\":\"f874acac-dc08-4060-9061-c068aed44f7d\",\"network_name\":\"street\",\"mtu\":1450}]}','{\"host\":\"host-1\",\"provider_id\":\"bc842ced-d53e-40dc-9765-1c77104f0ce8\",\"decision\":{\"chosen\":\"host-1\",\"hosts\":[{\"host\":\"host-1\",\"fits\":true,\"weight\":1048064}]}}','',1795335444486477,1795335444519112,1795335444518437,'');
INSERT INTO `operations` VALUES ('b08a7a07-3107-4110-bd3e-99c361d3bf9b','server_delete',1,'server','e8e5a306-fbbe-44f0-aa59-4ff1ce046990','2880762c2f8741d6aaeb2bd770749ef6','fc5e096e85e6437aaafed5f7057bd365','req-caf98ba7-bdbb-4290-9a4b-2807142249a9','done',4,'forget',1795335444634117,-1,0,1795335444625234,2,0,4948935444616670,'host-1',0,1,'{}','{}','',1795335444616670,1795335444636025,1795335444635082,'');
INSERT INTO `operations` VALUES ('fce24bf4-a9fa-42da-b7c0-1ca411730790','server_create',1,'server','e8e5a306-fbbe-44f0-aa59-4ff1ce046990','2880762c2f8741d6aaeb2bd770749ef6','fc5e096e85e6437aaafed5f7057bd365','req-003d2220-9eb3-415c-b7c7-7c224800a3fa','done',4,'settle',1795335444566484,-1,0,1795335444574920,1,0,1795339044548501,'host-1',0,1,'{\"nics\":[{\"key\":\"abec230b-2244-4b43-ac86-f0f8238d995d\",\"network_id\":\"f874acac-dc08-4060-9061-c068aed44f7d\",\"network_name\":\"street\",\"mtu\":1450}]}','{\"host\":\"host-1\",\"provider_id\":\"bc842ced-d53e-40dc-9765-1c77104f0ce8\",\"decision\":{\"chosen\":\"host-1\",\"hosts\":[{\"host\":\"host-1\",\"fits\":true,\"weight\":1047936}]}}','',1795335444548501,1795335444576441,1795335444575772,'');
/*!40000 ALTER TABLE `operations` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `quotas` (
  `owner_kind` varchar(16) NOT NULL,
  `owner_id` varchar(255) NOT NULL,
  `resource` varchar(64) NOT NULL,
  `value` bigint(20) NOT NULL,
  PRIMARY KEY (`owner_kind`,`owner_id`,`resource`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `quotas` DISABLE KEYS */;
/*!40000 ALTER TABLE `quotas` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `server_group_members` (
  `group_id` varchar(36) NOT NULL,
  `server_id` varchar(36) NOT NULL,
  PRIMARY KEY (`group_id`,`server_id`),
  KEY `server_group_members_server` (`server_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `server_group_members` DISABLE KEYS */;
INSERT INTO `server_group_members` VALUES ('d5ccb68f-fd4a-40f2-a3c5-1f684a5c0f04','cef8ff1d-669e-479e-8c70-6f16735025c3');
/*!40000 ALTER TABLE `server_group_members` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `server_groups` (
  `id` varchar(36) NOT NULL,
  `project_id` varchar(64) NOT NULL,
  `user_id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `policy` varchar(32) NOT NULL,
  `max_per_host` int(11) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `server_groups_project` (`project_id`,`created_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `server_groups` DISABLE KEYS */;
INSERT INTO `server_groups` VALUES ('d5ccb68f-fd4a-40f2-a3c5-1f684a5c0f04','2880762c2f8741d6aaeb2bd770749ef6','fc5e096e85e6437aaafed5f7057bd365','apart','anti-affinity',0,1795335444470125);
/*!40000 ALTER TABLE `server_groups` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `server_tags` (
  `server_id` varchar(36) NOT NULL,
  `tag` varchar(80) NOT NULL,
  PRIMARY KEY (`server_id`,`tag`),
  KEY `server_tags_tag` (`tag`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `server_tags` DISABLE KEYS */;
INSERT INTO `server_tags` VALUES ('cef8ff1d-669e-479e-8c70-6f16735025c3','old');
/*!40000 ALTER TABLE `server_tags` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `server_user_data` (
  `server_id` varchar(36) NOT NULL,
  `user_data` longtext NOT NULL,
  PRIMARY KEY (`server_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `server_user_data` DISABLE KEYS */;
INSERT INTO `server_user_data` VALUES ('cef8ff1d-669e-479e-8c70-6f16735025c3','IyEvYmluL3NoCg==');
/*!40000 ALTER TABLE `server_user_data` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `servers` (
  `id` varchar(36) NOT NULL,
  `project_id` varchar(64) NOT NULL,
  `user_id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `hostname` varchar(255) NOT NULL,
  `vm_state` varchar(16) NOT NULL,
  `power_state` int(11) NOT NULL,
  `host` varchar(255) NOT NULL,
  `zone` varchar(255) NOT NULL,
  `image_id` varchar(36) NOT NULL,
  `flavor_id` varchar(255) NOT NULL,
  `vcpus` int(11) NOT NULL,
  `memory_mb` bigint(20) NOT NULL,
  `disk_gb` bigint(20) NOT NULL,
  `key_name` varchar(255) NOT NULL,
  `config_drive` int(11) NOT NULL,
  `locked` int(11) NOT NULL,
  `reservation_id` varchar(64) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  `launched_at` bigint(20) NOT NULL,
  `deleted_at` bigint(20) NOT NULL,
  `detail` longtext NOT NULL,
  `nics` longtext NOT NULL,
  PRIMARY KEY (`id`),
  KEY `servers_project` (`project_id`,`deleted_at`,`created_at`,`id`),
  KEY `servers_created` (`deleted_at`,`created_at`,`id`),
  KEY `servers_updated` (`updated_at`),
  KEY `servers_host` (`host`,`deleted_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `servers` DISABLE KEYS */;
INSERT INTO `servers` VALUES ('cef8ff1d-669e-479e-8c70-6f16735025c3','2880762c2f8741d6aaeb2bd770749ef6','fc5e096e85e6437aaafed5f7057bd365','first','first','active',1,'host-1','','ff1dcd3e-fca8-4b4c-a6a8-593c37f28ae6','0e0e5b67-1b1d-40bd-a593-2699e4169a34',1,128,1,'',0,0,'r-nbsotqrz',1795335444483596,1795335444608961,1795335444518726,0,'{\"flavor\":{\"id\":\"0e0e5b67-1b1d-40bd-a593-2699e4169a34\",\"name\":\"hut\",\"vcpus\":1,\"ram\":128,\"disk\":1,\"ephemeral\":0,\"swap\":0,\"extra_specs\":{\"hw:cpu_policy\":\"shared\"}},\"image\":{\"name\":\"system\",\"sha512\":\"621e98f7ee698b9c164b9de80b28d83c6641e9acd1f4c5b190b91f8a5b2e76dd6eee80ae149625c774556b89312bb79aadeb1401863907b34f88fce398ddbcd4\",\"size\":1500,\"virtual_size\":1500,\"disk_format\":\"raw\",\"properties\":{\"hw_machine_type\":\"q35\",\"stores\":\"file\"}},\"disk_config\":\"MANUAL\",\"metadata\":{\"k\":\"v\"},\"project_name\":\"admin\",\"user_name\":\"admin\",\"seed\":\"HDeCxvIcD/O+kSCouRdIBuOh1avLqTdPrvSnZW39B58=\"}','[{\"port_id\":\"16563c34-0b2d-4505-92ca-7ad582e13c89\",\"network_id\":\"f874acac-dc08-4060-9061-c068aed44f7d\",\"network_name\":\"street\",\"mac\":\"fa:16:3e:bc:b8:c8\",\"mtu\":1450,\"status\":\"DOWN\",\"vif_type\":\"bridge\",\"fixed_ips\":[{\"subnet_id\":\"d4135ab1-5354-4a94-9e78-abf06a5f461e\",\"address\":\"10.9.0.2\"}],\"groups\":[{\"id\":\"9dd58fc8-e2b1-4cec-8f10-65e7e5c41106\",\"name\":\"guards\"}],\"subnets\":[{\"id\":\"d4135ab1-5354-4a94-9e78-abf06a5f461e\",\"network_id\":\"f874acac-dc08-4060-9061-c068aed44f7d\",\"cidr\":\"10.9.0.0/24\",\"gateway_ip\":\"10.9.0.1\",\"ip_version\":4,\"enable_dhcp\":true,\"dns_nameservers\":[\"9.9.9.9\"],\"host_routes\":[],\"ipv6_address_mode\":\"\"}]}]');
INSERT INTO `servers` VALUES ('e8e5a306-fbbe-44f0-aa59-4ff1ce046990','2880762c2f8741d6aaeb2bd770749ef6','fc5e096e85e6437aaafed5f7057bd365','gone','gone','deleted',0,'host-1','','ff1dcd3e-fca8-4b4c-a6a8-593c37f28ae6','0e0e5b67-1b1d-40bd-a593-2699e4169a34',1,128,1,'',0,0,'r-4np2tsno',1795335444547640,1795335444635134,1795335444575995,1795335444635134,'{\"flavor\":{\"id\":\"0e0e5b67-1b1d-40bd-a593-2699e4169a34\",\"name\":\"hut\",\"vcpus\":1,\"ram\":128,\"disk\":1,\"ephemeral\":0,\"swap\":0,\"extra_specs\":{\"hw:cpu_policy\":\"shared\"}},\"image\":{\"name\":\"system\",\"sha512\":\"621e98f7ee698b9c164b9de80b28d83c6641e9acd1f4c5b190b91f8a5b2e76dd6eee80ae149625c774556b89312bb79aadeb1401863907b34f88fce398ddbcd4\",\"size\":1500,\"virtual_size\":1500,\"disk_format\":\"raw\",\"properties\":{\"hw_machine_type\":\"q35\",\"stores\":\"file\"}},\"disk_config\":\"MANUAL\",\"metadata\":{\"k\":\"v\"},\"project_name\":\"admin\",\"user_name\":\"admin\"}','null');
/*!40000 ALTER TABLE `servers` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `work_schema` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `version_id` bigint(20) NOT NULL,
  `is_applied` tinyint(1) NOT NULL,
  `tstamp` datetime DEFAULT current_timestamp(),
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `work_schema` DISABLE KEYS */;
INSERT INTO `work_schema` VALUES (1,0,1,'2026-11-22 08:17:23');
INSERT INTO `work_schema` VALUES (2,1,1,'2026-11-22 08:17:23');
INSERT INTO `work_schema` VALUES (3,2,1,'2026-11-22 08:17:23');
INSERT INTO `work_schema` VALUES (4,3,1,'2026-11-22 08:17:23');
/*!40000 ALTER TABLE `work_schema` ENABLE KEYS */;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;
