INSERT INTO users (id, olds, since) VALUES (1, '{gold, pro}', 'gold');
