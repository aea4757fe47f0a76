DROP TABLE equities, breakers;
