"""Hashes, signatures, trees and encryption: stateless, without policy, randomness as an argument."""
