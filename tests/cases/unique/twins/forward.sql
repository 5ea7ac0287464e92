CREATE TABLE users (
    id INTEGER NOT NULL,
    email TEXT NOT NULL,
    age INTEGER NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT by_age UNIQUE (email, age) INCLUDE (id) WITH (fillfactor=70),
    CONSTRAINT by_email UNIQUE (email),
    CONSTRAINT users_email_age_key UNIQUE (email, age) DEFERRABLE
);
ALTER TABLE users ADD CONSTRAINT users_email_age_id_key UNIQUE (email, age) INCLUDE (id);
ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE (email);
ALTER TABLE users ADD CONSTRAINT users_id_key UNIQUE (id);
