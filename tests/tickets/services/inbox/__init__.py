"""Tests of the inbox's services."""
