DROP TABLE modes;
