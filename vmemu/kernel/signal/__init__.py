"""Signals: state, delivery, frames on the stack."""
