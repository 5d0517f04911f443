-- Who besides the owner may upload an image's data: the node that a service had make it.
ALTER TABLE images ADD COLUMN uploader VARCHAR(255) NOT NULL DEFAULT '';
