"""The condition language: small, total, without loops; the same decision on every validator."""
