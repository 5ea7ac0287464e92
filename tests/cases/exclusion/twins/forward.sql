CREATE TABLE bookings (
    id INTEGER NOT NULL,
    during TSTZRANGE NOT NULL,
    CONSTRAINT bookings_pkey PRIMARY KEY (id),
    CONSTRAINT bookings_during_excl EXCLUDE USING gist (during WITH &&)
);
ALTER TABLE bookings ADD CONSTRAINT once EXCLUDE USING gist (during WITH &&);
