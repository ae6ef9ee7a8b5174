"""Roles of members, kinds of keys, purposes of use."""

from enum import IntEnum


class Role(IntEnum):
    """What a member of the consortium is admitted as."""

    HOSPITAL = 1
    LAB = 2
    PHARMACY = 3
    INSURER = 4
    MANUFACTURER = 5
    DISTRIBUTOR = 6
    RESEARCHER = 7
    REGULATOR = 8
    AUDITOR = 9


class KeyKind(IntEnum):
    """Whose key signs transactions."""

    INSTITUTION = 1
    """A member's account key; its owner is the institution's id."""
    PATIENT = 2
    """A patient's key with one custodian; its owner is the patient's id."""
    DELEGATE = 3
    """A key that acts for a patient; its owner is the patient's id."""


class Purpose(IntEnum):
    """Why data is used: codes of HL7 v3 ActReason, PurposeOfUse."""

    TREAT = 1
    """Treatment."""
    ETREAT = 2
    """Emergency treatment."""
    CAREMGT = 3
    """Care management."""
    HPAYMT = 4
    """Healthcare payment."""
    CLMATTCH = 5
    """Attachment to a claim."""
    COVAUTH = 6
    """Authorisation of coverage."""
    HOPERAT = 7
    """Healthcare operations."""
    PATADMIN = 8
    """Administration of patients."""
    HRESCH = 9
    """Healthcare research."""
    CLINTRCH = 10
    """Research in a clinical trial."""
    PUBHLTH = 11
    """Public health."""
    PATRQT = 12
    """At the patient's request."""
    FAMRQT = 13
    """At the family's request."""
    HLEGAL = 14
    """Legal."""
    HSYSADMIN = 15
    """Administration of the system."""
