INSERT INTO bookings VALUES (1, '[2026-01-01,2026-01-02)', true), (2, '[2026-01-01,2026-01-03)', false);
