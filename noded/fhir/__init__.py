"""FHIR R4 in: byte-exact records out of documents, with their kind, patient and period; nothing is re-serialised."""
