-- The store's database as version 0.1.0 made it: version 1 of the schema.
PRAGMA application_id = 0x6b656467;
PRAGMA user_version = 1;
CREATE TABLE records(seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, name TEXT, json TEXT NOT NULL, sum INTEGER NOT NULL, UNIQUE(kind, id), UNIQUE(kind, name));
CREATE TABLE layers(number INTEGER PRIMARY KEY, diff_id TEXT NOT NULL UNIQUE, blob TEXT, blob_size INTEGER NOT NULL, bytes INTEGER NOT NULL, is_opaque INTEGER NOT NULL);
CREATE TABLE images(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, config_size INTEGER NOT NULL, manifest TEXT, manifest_size INTEGER NOT NULL, created_ns INTEGER NOT NULL, added_ns INTEGER NOT NULL, architecture TEXT, os TEXT, variant TEXT, labels TEXT NOT NULL, layer_count INTEGER NOT NULL, is_hidden INTEGER NOT NULL);
CREATE TABLE image_layers(seq INTEGER PRIMARY KEY, image INTEGER NOT NULL, position INTEGER NOT NULL, layer INTEGER NOT NULL, UNIQUE(image, position));
CREATE INDEX image_layers_by_layer ON image_layers(layer);
CREATE TABLE image_blobs(seq INTEGER PRIMARY KEY, image INTEGER NOT NULL, blob TEXT NOT NULL, UNIQUE(image, blob));
CREATE TABLE names(seq INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, image INTEGER NOT NULL, is_digest INTEGER NOT NULL);
CREATE INDEX names_by_image ON names(image);
CREATE TABLE pins(seq INTEGER PRIMARY KEY, container TEXT NOT NULL UNIQUE, image TEXT NOT NULL);
CREATE INDEX pins_by_image ON pins(image);
CREATE TABLE set_aside(seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, name TEXT, json TEXT, reason TEXT NOT NULL, boot TEXT NOT NULL);
