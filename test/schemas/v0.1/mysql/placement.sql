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
CREATE TABLE `allocations` (
  `consumer` varchar(36) NOT NULL,
  `provider` varchar(36) NOT NULL,
  `resource_class` varchar(255) NOT NULL,
  `used` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  PRIMARY KEY (`consumer`,`provider`,`resource_class`),
  KEY `allocations_provider` (`provider`,`resource_class`),
  CONSTRAINT `allocations_ibfk_1` FOREIGN KEY (`consumer`) REFERENCES `consumers` (`uuid`),
  CONSTRAINT `allocations_ibfk_2` FOREIGN KEY (`provider`, `resource_class`) REFERENCES `inventories` (`provider`, `resource_class`) ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `allocations` DISABLE KEYS */;
INSERT INTO `allocations` VALUES ('cef8ff1d-669e-479e-8c70-6f16735025c3','bc842ced-d53e-40dc-9765-1c77104f0ce8','DISK_GB',1,1795335444495171);
INSERT INTO `allocations` VALUES ('cef8ff1d-669e-479e-8c70-6f16735025c3','bc842ced-d53e-40dc-9765-1c77104f0ce8','MEMORY_MB',128,1795335444495171);
INSERT INTO `allocations` VALUES ('cef8ff1d-669e-479e-8c70-6f16735025c3','bc842ced-d53e-40dc-9765-1c77104f0ce8','VCPU',1,1795335444495171);
/*!40000 ALTER TABLE `allocations` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `consumers` (
  `uuid` varchar(36) NOT NULL,
  `project_id` varchar(255) NOT NULL,
  `user_id` varchar(255) NOT NULL,
  `consumer_type` varchar(255) NOT NULL,
  `generation` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`uuid`),
  KEY `consumers_project` (`project_id`,`user_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `consumers` DISABLE KEYS */;
INSERT INTO `consumers` VALUES ('cef8ff1d-669e-479e-8c70-6f16735025c3','2880762c2f8741d6aaeb2bd770749ef6','fc5e096e85e6437aaafed5f7057bd365','',1,1795335444495171,1795335444495171);
/*!40000 ALTER TABLE `consumers` ENABLE KEYS */;
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
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `feed` DISABLE KEYS */;
INSERT INTO `feed` VALUES (1,1795335443891330,'req-893d9a52-9d99-4df2-ac53-c287963ac45f','compute','','resource_provider','bc842ced-d53e-40dc-9765-1c77104f0ce8','create','{\"name\":\"host-1\"}');
INSERT INTO `feed` VALUES (2,1795335443902640,'req-17f0f9c8-ca6e-4d7b-a7b5-bb46d0e6ecc4','compute','','resource_provider','bc842ced-d53e-40dc-9765-1c77104f0ce8','update_inventory','{\"classes\":[\"DISK_GB\",\"MEMORY_MB\",\"VCPU\"]}');
INSERT INTO `feed` VALUES (3,1795335443904625,'req-5168317d-a0be-4a29-9130-abf2c80be242','compute','','resource_provider','bc842ced-d53e-40dc-9765-1c77104f0ce8','update_traits','{\"traits\":[\"COMPUTE_DEVICE_TAGGING\",\"COMPUTE_IMAGE_TYPE_QCOW2\",\"COMPUTE_IMAGE_TYPE_RAW\",\"COMPUTE_NET_ATTACH_INTERFACE\",\"COMPUTE_NODE\",\"HW_ARCH_X86_64\"]}');
INSERT INTO `feed` VALUES (4,1795335444497534,'req-51d4c29e-bcb5-4ac7-97e3-4d9bd93525f2','compute','','consumer','cef8ff1d-669e-479e-8c70-6f16735025c3','allocate','{\"project_id\":\"2880762c2f8741d6aaeb2bd770749ef6\",\"resources\":[{\"amount\":1,\"class\":\"DISK_GB\",\"provider\":\"bc842ced-d53e-40dc-9765-1c77104f0ce8\"},{\"amount\":128,\"class\":\"MEMORY_MB\",\"provider\":\"bc842ced-d53e-40dc-9765-1c77104f0ce8\"},{\"amount\":1,\"class\":\"VCPU\",\"provider\":\"bc842ced-d53e-40dc-9765-1c77104f0ce8\"}]}');
INSERT INTO `feed` VALUES (5,1795335444557438,'req-98a047fe-17d5-4301-911f-176bfdcf09f2','compute','','consumer','e8e5a306-fbbe-44f0-aa59-4ff1ce046990','allocate','{\"project_id\":\"2880762c2f8741d6aaeb2bd770749ef6\",\"resources\":[{\"amount\":1,\"class\":\"DISK_GB\",\"provider\":\"bc842ced-d53e-40dc-9765-1c77104f0ce8\"},{\"amount\":128,\"class\":\"MEMORY_MB\",\"provider\":\"bc842ced-d53e-40dc-9765-1c77104f0ce8\"},{\"amount\":1,\"class\":\"VCPU\",\"provider\":\"bc842ced-d53e-40dc-9765-1c77104f0ce8\"}]}');
INSERT INTO `feed` VALUES (6,1795335444633865,'req-fc03afe4-6302-48f4-999f-89f68ec322c0','compute','','consumer','e8e5a306-fbbe-44f0-aa59-4ff1ce046990','deallocate','null');
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
CREATE TABLE `inventories` (
  `provider` varchar(36) NOT NULL,
  `resource_class` varchar(255) NOT NULL,
  `total` bigint(20) NOT NULL,
  `reserved` bigint(20) NOT NULL,
  `min_unit` bigint(20) NOT NULL,
  `max_unit` bigint(20) NOT NULL,
  `step_size` bigint(20) NOT NULL,
  `allocation_ratio` double NOT NULL,
  `used` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`provider`,`resource_class`),
  KEY `inventories_class` (`resource_class`),
  CONSTRAINT `inventories_ibfk_1` FOREIGN KEY (`provider`) REFERENCES `resource_providers` (`uuid`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `inventories` DISABLE KEYS */;
INSERT INTO `inventories` VALUES ('bc842ced-d53e-40dc-9765-1c77104f0ce8','DISK_GB',4096,0,1,4096,1,1,1,1795335443900549,1795335443900549);
INSERT INTO `inventories` VALUES ('bc842ced-d53e-40dc-9765-1c77104f0ce8','MEMORY_MB',1048576,512,1,1048576,1,1,128,1795335443900549,1795335443900549);
INSERT INTO `inventories` VALUES ('bc842ced-d53e-40dc-9765-1c77104f0ce8','VCPU',512,0,1,512,1,4,1,1795335443900549,1795335443900549);
/*!40000 ALTER TABLE `inventories` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `placement_schema` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `version_id` bigint(20) NOT NULL,
  `is_applied` tinyint(1) NOT NULL,
  `tstamp` datetime DEFAULT current_timestamp(),
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `placement_schema` DISABLE KEYS */;
INSERT INTO `placement_schema` VALUES (1,0,1,'2026-11-22 08:17:23');
INSERT INTO `placement_schema` VALUES (2,1,1,'2026-11-22 08:17:23');
/*!40000 ALTER TABLE `placement_schema` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `provider_aggregates` (
  `provider` varchar(36) NOT NULL,
  `aggregate` varchar(36) NOT NULL,
  PRIMARY KEY (`provider`,`aggregate`),
  CONSTRAINT `provider_aggregates_ibfk_1` FOREIGN KEY (`provider`) REFERENCES `resource_providers` (`uuid`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `provider_aggregates` DISABLE KEYS */;
/*!40000 ALTER TABLE `provider_aggregates` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `provider_traits` (
  `provider` varchar(36) NOT NULL,
  `trait` varchar(255) NOT NULL,
  PRIMARY KEY (`provider`,`trait`),
  KEY `provider_traits_trait` (`trait`),
  CONSTRAINT `provider_traits_ibfk_1` FOREIGN KEY (`provider`) REFERENCES `resource_providers` (`uuid`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `provider_traits` DISABLE KEYS */;
INSERT INTO `provider_traits` VALUES ('bc842ced-d53e-40dc-9765-1c77104f0ce8','COMPUTE_DEVICE_TAGGING');
INSERT INTO `provider_traits` VALUES ('bc842ced-d53e-40dc-9765-1c77104f0ce8','COMPUTE_IMAGE_TYPE_QCOW2');
INSERT INTO `provider_traits` VALUES ('bc842ced-d53e-40dc-9765-1c77104f0ce8','COMPUTE_IMAGE_TYPE_RAW');
INSERT INTO `provider_traits` VALUES ('bc842ced-d53e-40dc-9765-1c77104f0ce8','COMPUTE_NET_ATTACH_INTERFACE');
INSERT INTO `provider_traits` VALUES ('bc842ced-d53e-40dc-9765-1c77104f0ce8','COMPUTE_NODE');
INSERT INTO `provider_traits` VALUES ('bc842ced-d53e-40dc-9765-1c77104f0ce8','HW_ARCH_X86_64');
/*!40000 ALTER TABLE `provider_traits` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `resource_classes` (
  `name` varchar(255) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `resource_classes` DISABLE KEYS */;
/*!40000 ALTER TABLE `resource_classes` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `resource_providers` (
  `uuid` varchar(36) NOT NULL,
  `name` varchar(200) NOT NULL,
  `parent` varchar(36) NOT NULL,
  `root` varchar(36) NOT NULL,
  `generation` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`uuid`),
  UNIQUE KEY `resource_providers_name` (`name`),
  KEY `resource_providers_root` (`root`),
  KEY `resource_providers_parent` (`parent`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `resource_providers` DISABLE KEYS */;
INSERT INTO `resource_providers` VALUES ('bc842ced-d53e-40dc-9765-1c77104f0ce8','host-1','','bc842ced-d53e-40dc-9765-1c77104f0ce8',4,1795335443867836,1795335444555451);
/*!40000 ALTER TABLE `resource_providers` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `traits` (
  `name` varchar(255) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `traits` DISABLE KEYS */;
/*!40000 ALTER TABLE `traits` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `tree_changes` (
  `seq` bigint(20) NOT NULL AUTO_INCREMENT,
  `root` varchar(36) NOT NULL,
  `whole` int(11) NOT NULL,
  PRIMARY KEY (`seq`)
) ENGINE=InnoDB AUTO_INCREMENT=8 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `tree_changes` DISABLE KEYS */;
INSERT INTO `tree_changes` VALUES (1,'bc842ced-d53e-40dc-9765-1c77104f0ce8',1);
INSERT INTO `tree_changes` VALUES (2,'bc842ced-d53e-40dc-9765-1c77104f0ce8',0);
INSERT INTO `tree_changes` VALUES (3,'bc842ced-d53e-40dc-9765-1c77104f0ce8',1);
INSERT INTO `tree_changes` VALUES (4,'bc842ced-d53e-40dc-9765-1c77104f0ce8',0);
INSERT INTO `tree_changes` VALUES (5,'bc842ced-d53e-40dc-9765-1c77104f0ce8',0);
INSERT INTO `tree_changes` VALUES (6,'bc842ced-d53e-40dc-9765-1c77104f0ce8',0);
INSERT INTO `tree_changes` VALUES (7,'bc842ced-d53e-40dc-9765-1c77104f0ce8',0);
/*!40000 ALTER TABLE `tree_changes` ENABLE KEYS */;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;
