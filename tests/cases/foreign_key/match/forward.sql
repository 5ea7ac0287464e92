ALTER TABLE guests DROP CONSTRAINT guests_house_number_fkey;
ALTER TABLE guests ADD CONSTRAINT guests_house_number_fkey FOREIGN KEY (house, number) REFERENCES rooms(house, number) MATCH FULL;
