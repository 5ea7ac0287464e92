ALTER TYPE public.tariff RENAME TO plan;
