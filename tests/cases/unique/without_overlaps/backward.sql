ALTER TABLE bookings DROP CONSTRAINT bookings_seats_during_key;
ALTER TABLE bookings ADD CONSTRAINT bookings_seats_during_key UNIQUE (seats, during);
