ALTER TYPE public.plan RENAME TO tariff;
