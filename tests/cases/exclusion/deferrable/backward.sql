ALTER TABLE bookings DROP CONSTRAINT bookings_during_excl;
ALTER TABLE bookings ADD CONSTRAINT bookings_during_excl EXCLUDE USING gist (during WITH &&);
