"""Jobs API 2.x JSON in and out: pure functions between bodies and the objects of the house."""
