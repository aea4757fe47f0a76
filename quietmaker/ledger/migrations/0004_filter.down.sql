DROP TABLE shadow_trips;
DROP TABLE symbol_overrides;
