"""Dates, times and numbers in Spanish: 4 mar 2026, 09:41."""

DATE_FORMAT = SHORT_DATE_FORMAT = "j b Y"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "j b Y, H:i"
FULL_DATE_FORMAT = r"l j \d\e F \d\e Y"
FULL_DATETIME_FORMAT = r"l j \d\e F \d\e Y, H:i"
DAY_FORMAT, DAY_AND_YEAR_FORMAT = r"j \d\e F", r"j \d\e F \d\e Y"
SHORT_DAY_FORMAT, SHORT_DAY_AND_YEAR_FORMAT = "j b", "j b Y"
FIRST_DAY_OF_WEEK = 1
