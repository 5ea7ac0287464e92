"""Running a plan: it knows steps and its own ports, nothing of schemas, kinds or the driver."""
