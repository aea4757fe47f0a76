DROP TABLE config_reloads;
