"""What those who send transactions need: signing, a patient's keys, wrapped keys; no I/O, no clock, no randomness."""
