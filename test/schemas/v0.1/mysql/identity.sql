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
CREATE TABLE `application_credentials` (
  `id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `user_id` varchar(64) NOT NULL,
  `project_id` varchar(64) NOT NULL,
  `description` longtext NOT NULL,
  `secret_hash` varchar(255) NOT NULL,
  `expires` bigint(20) NOT NULL,
  `unrestricted` int(11) NOT NULL,
  `roles` longtext NOT NULL,
  `access_rules` longtext NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `application_credentials_name` (`user_id`,`name`),
  KEY `application_credentials_project` (`project_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `application_credentials` DISABLE KEYS */;
/*!40000 ALTER TABLE `application_credentials` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `assignments` (
  `actor_type` varchar(16) NOT NULL,
  `actor_id` varchar(64) NOT NULL,
  `target_type` varchar(16) NOT NULL,
  `target_id` varchar(64) NOT NULL,
  `role_id` varchar(64) NOT NULL,
  `inherited` int(11) NOT NULL,
  PRIMARY KEY (`actor_id`,`target_id`,`role_id`,`target_type`,`inherited`),
  KEY `assignments_target` (`target_id`),
  KEY `assignments_role` (`role_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `assignments` DISABLE KEYS */;
INSERT INTO `assignments` VALUES ('group','64c7d43b83f345ed8c42983674069c0e','project','c0edaee09a68413492933e01a7922ae1','b1fe8020eab24c99bffb8f13c3552247',0);
INSERT INTO `assignments` VALUES ('user','fc5e096e85e6437aaafed5f7057bd365','project','2880762c2f8741d6aaeb2bd770749ef6','1048257d43bc495b95041d8f307fcc49',0);
INSERT INTO `assignments` VALUES ('user','fc5e096e85e6437aaafed5f7057bd365','domain','default','1048257d43bc495b95041d8f307fcc49',0);
INSERT INTO `assignments` VALUES ('user','fc5e096e85e6437aaafed5f7057bd365','system','system','1048257d43bc495b95041d8f307fcc49',0);
/*!40000 ALTER TABLE `assignments` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `endpoints` (
  `id` varchar(64) NOT NULL,
  `service_id` varchar(64) NOT NULL,
  `region_id` varchar(255) NOT NULL,
  `interface` varchar(8) NOT NULL,
  `url` longtext NOT NULL,
  `enabled` int(11) NOT NULL,
  `name` varchar(255) NOT NULL,
  `extra` longtext NOT NULL,
  PRIMARY KEY (`id`),
  KEY `endpoints_service` (`service_id`),
  KEY `endpoints_region` (`region_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `endpoints` DISABLE KEYS */;
INSERT INTO `endpoints` VALUES ('2c6c4d879f324273befa4dc7a2a00032','d999d6d6b853470e8121db7a1e11472d','RegionOne','internal','http://127.0.0.1:40909/identity',1,'','null');
INSERT INTO `endpoints` VALUES ('3b35242a40654db6a35458876e17b5d0','358d1db86b234c57a735263de49f0c6a','RegionOne','internal','http://127.0.0.1:40909/placement',1,'','null');
INSERT INTO `endpoints` VALUES ('51b699ccd6b141c5bda7bc42b4c157dc','358d1db86b234c57a735263de49f0c6a','RegionOne','public','http://127.0.0.1:40909/placement',1,'','null');
INSERT INTO `endpoints` VALUES ('6d79c204d840423ca67876277a41f33d','d8719431333e4cf396079becf2e50efb','RegionOne','public','http://127.0.0.1:40909/image',1,'','null');
INSERT INTO `endpoints` VALUES ('7141752a62ac4b5c9f89fd9cbdff12ed','98581438bcc845148073af22d3cce739','RegionOne','admin','http://127.0.0.1:40909/compute/v2.1',1,'','null');
INSERT INTO `endpoints` VALUES ('8304bb02141a4cc9ace705683fd0c6b1','98581438bcc845148073af22d3cce739','RegionOne','internal','http://127.0.0.1:40909/compute/v2.1',1,'','null');
INSERT INTO `endpoints` VALUES ('9f77bb987a47439895a6344b6dd2289a','d8719431333e4cf396079becf2e50efb','RegionOne','admin','http://127.0.0.1:40909/image',1,'','null');
INSERT INTO `endpoints` VALUES ('a0bb64ba053846aa83ffbdbb8019f3d1','358d1db86b234c57a735263de49f0c6a','RegionOne','admin','http://127.0.0.1:40909/placement',1,'','null');
INSERT INTO `endpoints` VALUES ('a91e8dd3b4b94395aa1961743e22b1df','d8719431333e4cf396079becf2e50efb','RegionOne','internal','http://127.0.0.1:40909/image',1,'','null');
INSERT INTO `endpoints` VALUES ('aecd482d756241889223d58e9aa6c261','98581438bcc845148073af22d3cce739','RegionOne','public','http://127.0.0.1:40909/compute/v2.1',1,'','null');
INSERT INTO `endpoints` VALUES ('bc681abb712f403180a86872a6cf3aa4','c9158974620c4bb091b312ed0758e377','RegionOne','internal','http://127.0.0.1:40909/network',1,'','null');
INSERT INTO `endpoints` VALUES ('c4ea76aac77742ba82ef83e2454dfe13','d999d6d6b853470e8121db7a1e11472d','RegionOne','public','http://127.0.0.1:40909/identity',1,'','null');
INSERT INTO `endpoints` VALUES ('c993e0de249b44ccb975f6bc6ff04848','c9158974620c4bb091b312ed0758e377','RegionOne','admin','http://127.0.0.1:40909/network',1,'','null');
INSERT INTO `endpoints` VALUES ('fd0a381cd8f44d7b84fff765ef8ce239','c9158974620c4bb091b312ed0758e377','RegionOne','public','http://127.0.0.1:40909/network',1,'','null');
INSERT INTO `endpoints` VALUES ('fedcdf7b2d8546bfa14cd2c249d96160','d999d6d6b853470e8121db7a1e11472d','RegionOne','admin','http://127.0.0.1:40909/identity',1,'','null');
/*!40000 ALTER TABLE `endpoints` ENABLE KEYS */;
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
) ENGINE=InnoDB AUTO_INCREMENT=43 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `feed` DISABLE KEYS */;
INSERT INTO `feed` VALUES (1,1795335443003722,'','','','domain','default','create','null');
INSERT INTO `feed` VALUES (2,1795335443003722,'','','','project','2880762c2f8741d6aaeb2bd770749ef6','create','null');
INSERT INTO `feed` VALUES (3,1795335443003722,'','','','project','dd701cde49154ba7a3ee04ca04f3b52e','create','null');
INSERT INTO `feed` VALUES (4,1795335443003722,'','','','role','2b8be778504549b0b66f4bc5d99b3131','create','null');
INSERT INTO `feed` VALUES (5,1795335443003722,'','','','role','8984564ebaad4e68b426951b78d7e7da','create','null');
INSERT INTO `feed` VALUES (6,1795335443003722,'','','','role','8984564ebaad4e68b426951b78d7e7da','imply','null');
INSERT INTO `feed` VALUES (7,1795335443003722,'','','','role','84b0d6bb5d5547fdbaafbcb36fe6da7f','create','null');
INSERT INTO `feed` VALUES (8,1795335443003722,'','','','role','84b0d6bb5d5547fdbaafbcb36fe6da7f','imply','null');
INSERT INTO `feed` VALUES (9,1795335443003722,'','','','role','1048257d43bc495b95041d8f307fcc49','create','null');
INSERT INTO `feed` VALUES (10,1795335443003722,'','','','role','1048257d43bc495b95041d8f307fcc49','imply','null');
INSERT INTO `feed` VALUES (11,1795335443003722,'','','','role','f2b5cac979fa4ee997851e3b087731c1','create','null');
INSERT INTO `feed` VALUES (12,1795335443003722,'','','','user','fc5e096e85e6437aaafed5f7057bd365','create','null');
INSERT INTO `feed` VALUES (13,1795335443003722,'','','','role_assignment','1048257d43bc495b95041d8f307fcc49','create','null');
INSERT INTO `feed` VALUES (14,1795335443003722,'','','','role_assignment','1048257d43bc495b95041d8f307fcc49','create','null');
INSERT INTO `feed` VALUES (15,1795335443003722,'','','','role_assignment','1048257d43bc495b95041d8f307fcc49','create','null');
INSERT INTO `feed` VALUES (16,1795335443003722,'','','','region','RegionOne','create','null');
INSERT INTO `feed` VALUES (17,1795335443003722,'','','','service','d999d6d6b853470e8121db7a1e11472d','create','null');
INSERT INTO `feed` VALUES (18,1795335443003722,'','','','endpoint','c4ea76aac77742ba82ef83e2454dfe13','create','null');
INSERT INTO `feed` VALUES (19,1795335443003722,'','','','endpoint','2c6c4d879f324273befa4dc7a2a00032','create','null');
INSERT INTO `feed` VALUES (20,1795335443003722,'','','','endpoint','fedcdf7b2d8546bfa14cd2c249d96160','create','null');
INSERT INTO `feed` VALUES (21,1795335443003722,'','','','service','d8719431333e4cf396079becf2e50efb','create','null');
INSERT INTO `feed` VALUES (22,1795335443003722,'','','','endpoint','6d79c204d840423ca67876277a41f33d','create','null');
INSERT INTO `feed` VALUES (23,1795335443003722,'','','','endpoint','a91e8dd3b4b94395aa1961743e22b1df','create','null');
INSERT INTO `feed` VALUES (24,1795335443003722,'','','','endpoint','9f77bb987a47439895a6344b6dd2289a','create','null');
INSERT INTO `feed` VALUES (25,1795335443003722,'','','','service','358d1db86b234c57a735263de49f0c6a','create','null');
INSERT INTO `feed` VALUES (26,1795335443003722,'','','','endpoint','51b699ccd6b141c5bda7bc42b4c157dc','create','null');
INSERT INTO `feed` VALUES (27,1795335443003722,'','','','endpoint','3b35242a40654db6a35458876e17b5d0','create','null');
INSERT INTO `feed` VALUES (28,1795335443003722,'','','','endpoint','a0bb64ba053846aa83ffbdbb8019f3d1','create','null');
INSERT INTO `feed` VALUES (29,1795335443003722,'','','','service','98581438bcc845148073af22d3cce739','create','null');
INSERT INTO `feed` VALUES (30,1795335443003722,'','','','endpoint','aecd482d756241889223d58e9aa6c261','create','null');
INSERT INTO `feed` VALUES (31,1795335443003722,'','','','endpoint','8304bb02141a4cc9ace705683fd0c6b1','create','null');
INSERT INTO `feed` VALUES (32,1795335443003722,'','','','endpoint','7141752a62ac4b5c9f89fd9cbdff12ed','create','null');
INSERT INTO `feed` VALUES (33,1795335443003722,'','','','service','c9158974620c4bb091b312ed0758e377','create','null');
INSERT INTO `feed` VALUES (34,1795335443003722,'','','','endpoint','fd0a381cd8f44d7b84fff765ef8ce239','create','null');
INSERT INTO `feed` VALUES (35,1795335443003722,'','','','endpoint','bc681abb712f403180a86872a6cf3aa4','create','null');
INSERT INTO `feed` VALUES (36,1795335443003722,'','','','endpoint','c993e0de249b44ccb975f6bc6ff04848','create','null');
INSERT INTO `feed` VALUES (37,1795335444141233,'req-9cf22d29-a123-44fb-a44d-bc522c90469e','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','project','c0edaee09a68413492933e01a7922ae1','create','null');
INSERT INTO `feed` VALUES (38,1795335444385090,'req-4fc224a2-c27c-4550-9292-05c0ac6e2717','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','user','a6c17f080a6e4ed8a332cb8328fd2719','create','null');
INSERT INTO `feed` VALUES (39,1795335444389626,'req-7f74e3d4-930b-4e42-b9b9-3d8adfa01779','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','group','64c7d43b83f345ed8c42983674069c0e','create','null');
INSERT INTO `feed` VALUES (40,1795335444391155,'req-aea45e77-b083-4a3d-82e1-54d9315b0526','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','group','64c7d43b83f345ed8c42983674069c0e','add_user','null');
INSERT INTO `feed` VALUES (41,1795335444393196,'req-6fe9884e-83ca-4d79-a9a7-9c3a4dba0d0e','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','role','b1fe8020eab24c99bffb8f13c3552247','create','null');
INSERT INTO `feed` VALUES (42,1795335444395068,'req-58a88109-2c76-4524-a7e3-50fec3ad7b0e','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','role_assignment','b1fe8020eab24c99bffb8f13c3552247','create','null');
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
INSERT INTO `feed_schema` VALUES (1,0,1,'2026-11-22 08:17:22');
INSERT INTO `feed_schema` VALUES (2,1,1,'2026-11-22 08:17:22');
/*!40000 ALTER TABLE `feed_schema` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_groups` (
  `id` varchar(64) NOT NULL,
  `name` varchar(64) NOT NULL,
  `domain_id` varchar(64) NOT NULL,
  `description` longtext NOT NULL,
  `extra` longtext NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `identity_groups_name` (`domain_id`,`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `identity_groups` DISABLE KEYS */;
INSERT INTO `identity_groups` VALUES ('64c7d43b83f345ed8c42983674069c0e','council','default','','{}');
/*!40000 ALTER TABLE `identity_groups` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_schema` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `version_id` bigint(20) NOT NULL,
  `is_applied` tinyint(1) NOT NULL,
  `tstamp` datetime DEFAULT current_timestamp(),
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `identity_schema` DISABLE KEYS */;
INSERT INTO `identity_schema` VALUES (1,0,1,'2026-11-22 08:17:22');
INSERT INTO `identity_schema` VALUES (2,1,1,'2026-11-22 08:17:22');
/*!40000 ALTER TABLE `identity_schema` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `implied_roles` (
  `prior_role_id` varchar(64) NOT NULL,
  `implied_role_id` varchar(64) NOT NULL,
  PRIMARY KEY (`prior_role_id`,`implied_role_id`),
  KEY `implied_roles_implied` (`implied_role_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `implied_roles` DISABLE KEYS */;
INSERT INTO `implied_roles` VALUES ('1048257d43bc495b95041d8f307fcc49','84b0d6bb5d5547fdbaafbcb36fe6da7f');
INSERT INTO `implied_roles` VALUES ('84b0d6bb5d5547fdbaafbcb36fe6da7f','8984564ebaad4e68b426951b78d7e7da');
INSERT INTO `implied_roles` VALUES ('8984564ebaad4e68b426951b78d7e7da','2b8be778504549b0b66f4bc5d99b3131');
/*!40000 ALTER TABLE `implied_roles` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `memberships` (
  `user_id` varchar(64) NOT NULL,
  `group_id` varchar(64) NOT NULL,
  PRIMARY KEY (`user_id`,`group_id`),
  KEY `memberships_group` (`group_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `memberships` DISABLE KEYS */;
INSERT INTO `memberships` VALUES ('a6c17f080a6e4ed8a332cb8328fd2719','64c7d43b83f345ed8c42983674069c0e');
/*!40000 ALTER TABLE `memberships` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `project_tags` (
  `project_id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  PRIMARY KEY (`project_id`,`name`),
  KEY `project_tags_name` (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `project_tags` DISABLE KEYS */;
INSERT INTO `project_tags` VALUES ('c0edaee09a68413492933e01a7922ae1','a');
INSERT INTO `project_tags` VALUES ('c0edaee09a68413492933e01a7922ae1','b');
/*!40000 ALTER TABLE `project_tags` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `projects` (
  `id` varchar(64) NOT NULL,
  `name` varchar(64) NOT NULL,
  `domain_id` varchar(64) NOT NULL,
  `parent_id` varchar(64) NOT NULL,
  `is_domain` int(11) NOT NULL,
  `enabled` int(11) NOT NULL,
  `description` longtext NOT NULL,
  `options` longtext NOT NULL,
  `extra` longtext NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `projects_name` (`domain_id`,`name`),
  KEY `projects_parent` (`parent_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `projects` DISABLE KEYS */;
INSERT INTO `projects` VALUES ('2880762c2f8741d6aaeb2bd770749ef6','admin','default','default',0,1,'Administration of the cloud.','null','null');
INSERT INTO `projects` VALUES ('c0edaee09a68413492933e01a7922ae1','town','default','default',0,1,'','null','{}');
INSERT INTO `projects` VALUES ('dd701cde49154ba7a3ee04ca04f3b52e','service','default','default',0,1,'Services of the cloud.','null','null');
INSERT INTO `projects` VALUES ('default','Default','','',1,1,'The default domain','null','null');
/*!40000 ALTER TABLE `projects` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `regions` (
  `id` varchar(255) NOT NULL,
  `description` varchar(255) NOT NULL,
  `parent_region_id` varchar(255) NOT NULL,
  `extra` longtext NOT NULL,
  PRIMARY KEY (`id`),
  KEY `regions_parent` (`parent_region_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `regions` DISABLE KEYS */;
INSERT INTO `regions` VALUES ('RegionOne','','','null');
/*!40000 ALTER TABLE `regions` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `revocations` (
  `audit_id` varchar(64) NOT NULL,
  `expires` bigint(20) NOT NULL,
  PRIMARY KEY (`audit_id`),
  KEY `revocations_expires` (`expires`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `revocations` DISABLE KEYS */;
/*!40000 ALTER TABLE `revocations` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `roles` (
  `id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `domain_id` varchar(64) NOT NULL,
  `description` longtext NOT NULL,
  `options` longtext NOT NULL,
  `extra` longtext NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `roles_name` (`domain_id`,`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `roles` DISABLE KEYS */;
INSERT INTO `roles` VALUES ('1048257d43bc495b95041d8f307fcc49','admin','','','null','null');
INSERT INTO `roles` VALUES ('2b8be778504549b0b66f4bc5d99b3131','reader','','','null','null');
INSERT INTO `roles` VALUES ('84b0d6bb5d5547fdbaafbcb36fe6da7f','manager','','','null','null');
INSERT INTO `roles` VALUES ('8984564ebaad4e68b426951b78d7e7da','member','','','null','null');
INSERT INTO `roles` VALUES ('b1fe8020eab24c99bffb8f13c3552247','clerk','','','null','{}');
INSERT INTO `roles` VALUES ('f2b5cac979fa4ee997851e3b087731c1','service','','','null','null');
/*!40000 ALTER TABLE `roles` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `services` (
  `id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `type` varchar(255) NOT NULL,
  `enabled` int(11) NOT NULL,
  `description` longtext NOT NULL,
  `extra` longtext NOT NULL,
  PRIMARY KEY (`id`),
  KEY `services_type` (`type`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `services` DISABLE KEYS */;
INSERT INTO `services` VALUES ('358d1db86b234c57a735263de49f0c6a','placement','placement',1,'','null');
INSERT INTO `services` VALUES ('98581438bcc845148073af22d3cce739','nova','compute',1,'','null');
INSERT INTO `services` VALUES ('c9158974620c4bb091b312ed0758e377','neutron','network',1,'','null');
INSERT INTO `services` VALUES ('d8719431333e4cf396079becf2e50efb','glance','image',1,'','null');
INSERT INTO `services` VALUES ('d999d6d6b853470e8121db7a1e11472d','keystone','identity',1,'','null');
/*!40000 ALTER TABLE `services` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `token_lineage` (
  `audit_id` varchar(64) NOT NULL,
  `parent_id` varchar(64) NOT NULL,
  `expires` bigint(20) NOT NULL,
  PRIMARY KEY (`audit_id`),
  KEY `token_lineage_parent` (`parent_id`),
  KEY `token_lineage_expires` (`expires`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `token_lineage` DISABLE KEYS */;
/*!40000 ALTER TABLE `token_lineage` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `users` (
  `id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `domain_id` varchar(64) NOT NULL,
  `enabled` int(11) NOT NULL,
  `default_project_id` varchar(64) NOT NULL,
  `password_hash` varchar(255) NOT NULL,
  `valid_after` bigint(20) NOT NULL,
  `options` longtext NOT NULL,
  `extra` longtext NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `users_name` (`domain_id`,`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `users` DISABLE KEYS */;
INSERT INTO `users` VALUES ('a6c17f080a6e4ed8a332cb8328fd2719','mayor','default',1,'','$bcrypt-sha256$2a$12$n0XHuqCEjsstdVYzgi.aIej4wYRwjcs1I1isw5hF2FlQAGiJgpvUm',0,'null','{\"email\":\"mayor@town.example\"}');
INSERT INTO `users` VALUES ('fc5e096e85e6437aaafed5f7057bd365','admin','default',1,'','$bcrypt-sha256$2a$12$RCxh8OLDwOZxBr7RLZMbyO.Nw1vExfMKyAH2RhOvJBFK8Yo400yoy',0,'null','null');
/*!40000 ALTER TABLE `users` ENABLE KEYS */;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;
