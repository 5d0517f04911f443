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
) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `feed` DISABLE KEYS */;
INSERT INTO `feed` VALUES (1,1795335444401158,'req-bf84063b-aed6-4bfe-b50d-240008a7b3a8','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','image','ff1dcd3e-fca8-4b4c-a6a8-593c37f28ae6','create','null');
INSERT INTO `feed` VALUES (2,1795335444403851,'req-c88720bb-9adc-4b92-8e19-513acf5d5d3f','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','image','ff1dcd3e-fca8-4b4c-a6a8-593c37f28ae6','upload','null');
INSERT INTO `feed` VALUES (3,1795335444406099,'req-c88720bb-9adc-4b92-8e19-513acf5d5d3f','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','image','ff1dcd3e-fca8-4b4c-a6a8-593c37f28ae6','activate','null');
INSERT INTO `feed` VALUES (4,1795335444407867,'req-3ec04290-d2b8-4f87-9597-09c42e712302','fc5e096e85e6437aaafed5f7057bd365','2880762c2f8741d6aaeb2bd770749ef6','image','ff1dcd3e-fca8-4b4c-a6a8-593c37f28ae6','member.create','{\"member\":\"c0edaee09a68413492933e01a7922ae1\"}');
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
CREATE TABLE `image_contents` (
  `id` varchar(64) NOT NULL,
  `image_id` varchar(36) NOT NULL,
  `state` varchar(16) NOT NULL,
  `owner` varchar(255) NOT NULL,
  `seen_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `image_contents_state` (`state`,`id`),
  KEY `image_contents_image` (`image_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `image_contents` DISABLE KEYS */;
INSERT INTO `image_contents` VALUES ('1434dd2f-fc3d-469d-9c25-378576d5893c','ff1dcd3e-fca8-4b4c-a6a8-593c37f28ae6','kept','host-1',1795335444403403);
/*!40000 ALTER TABLE `image_contents` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `image_members` (
  `image_id` varchar(36) NOT NULL,
  `member_id` varchar(255) NOT NULL,
  `status` varchar(16) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`image_id`,`member_id`),
  KEY `image_members_member` (`member_id`,`status`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `image_members` DISABLE KEYS */;
INSERT INTO `image_members` VALUES ('ff1dcd3e-fca8-4b4c-a6a8-593c37f28ae6','c0edaee09a68413492933e01a7922ae1','pending',1795335444407203,1795335444407203);
/*!40000 ALTER TABLE `image_members` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `image_properties` (
  `image_id` varchar(36) NOT NULL,
  `name` varchar(255) NOT NULL,
  `value` longtext NOT NULL,
  PRIMARY KEY (`image_id`,`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `image_properties` DISABLE KEYS */;
INSERT INTO `image_properties` VALUES ('ff1dcd3e-fca8-4b4c-a6a8-593c37f28ae6','hw_machine_type','q35');
/*!40000 ALTER TABLE `image_properties` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `image_schema` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `version_id` bigint(20) NOT NULL,
  `is_applied` tinyint(1) NOT NULL,
  `tstamp` datetime DEFAULT current_timestamp(),
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `image_schema` DISABLE KEYS */;
INSERT INTO `image_schema` VALUES (1,0,1,'2026-11-22 08:17:23');
INSERT INTO `image_schema` VALUES (2,1,1,'2026-11-22 08:17:23');
/*!40000 ALTER TABLE `image_schema` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `image_tags` (
  `image_id` varchar(36) NOT NULL,
  `tag` varchar(255) NOT NULL,
  PRIMARY KEY (`image_id`,`tag`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `image_tags` DISABLE KEYS */;
INSERT INTO `image_tags` VALUES ('ff1dcd3e-fca8-4b4c-a6a8-593c37f28ae6','x');
/*!40000 ALTER TABLE `image_tags` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `image_tombstones` (
  `id` varchar(36) NOT NULL,
  `deleted_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `image_tombstones` DISABLE KEYS */;
/*!40000 ALTER TABLE `image_tombstones` ENABLE KEYS */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `images` (
  `id` varchar(36) NOT NULL,
  `owner` varchar(255) NOT NULL,
  `name` varchar(255) NOT NULL,
  `status` varchar(16) NOT NULL,
  `visibility` varchar(16) NOT NULL,
  `disk_format` varchar(16) NOT NULL,
  `container_format` varchar(16) NOT NULL,
  `size` bigint(20) NOT NULL,
  `virtual_size` bigint(20) NOT NULL,
  `checksum` varchar(32) NOT NULL,
  `os_hash_algo` varchar(64) NOT NULL,
  `os_hash_value` varchar(128) NOT NULL,
  `min_disk` bigint(20) NOT NULL,
  `min_ram` bigint(20) NOT NULL,
  `protected` int(11) NOT NULL,
  `os_hidden` int(11) NOT NULL,
  `tags` longtext NOT NULL,
  `properties` longtext NOT NULL,
  `content_id` varchar(64) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `images_created` (`created_at`,`id`),
  KEY `images_owner` (`owner`,`created_at`,`id`),
  KEY `images_name` (`name`,`id`),
  KEY `images_content` (`content_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40000 ALTER TABLE `images` DISABLE KEYS */;
INSERT INTO `images` VALUES ('ff1dcd3e-fca8-4b4c-a6a8-593c37f28ae6','2880762c2f8741d6aaeb2bd770749ef6','system','active','shared','raw','bare',1500,1500,'818f9edca80ddd5cf5c7c86500724ed2','sha512','621e98f7ee698b9c164b9de80b28d83c6641e9acd1f4c5b190b91f8a5b2e76dd6eee80ae149625c774556b89312bb79aadeb1401863907b34f88fce398ddbcd4',0,0,0,0,'[\"x\"]','{\"hw_machine_type\":\"q35\"}','1434dd2f-fc3d-469d-9c25-378576d5893c',1795335444397235,1795335444405835);
/*!40000 ALTER TABLE `images` ENABLE KEYS */;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;
