INSERT INTO users VALUES (1, '{red,green}', 'red', '{1,2}'), (2, '{}', 'green', '{{3},{4}}');
