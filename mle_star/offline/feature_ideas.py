"""Refinements of what a table's rows are described by: numbers, strings and dates, row by row."""

from __future__ import annotations

from mle_star.offline.recipe import Idea, before_return

RATIOS = """\
import itertools

held_numbers = [column for column in NUMBERS if column in frame.columns][:7]
for first, second in itertools.combinations(held_numbers, 2):
    parts[f"{first} / {second}"] = (frame[first] / frame[second].replace(0, np.nan)).clip(-1e6, 1e6)
"""

DIFFERENCES = """\
import itertools

held_numbers = [column for column in NUMBERS if column in frame.columns][:7]
for first, second in itertools.combinations(held_numbers, 2):
    parts[f"{first} + {second}"] = frame[first] + frame[second]
    parts[f"{first} - {second}"] = frame[first] - frame[second]
"""

PRODUCTS = """\
import itertools

held_numbers = [column for column in NUMBERS if column in frame.columns][:7]
for first, second in itertools.combinations(held_numbers, 2):
    parts[f"{first} * {second}"] = frame[first] * frame[second]
"""

ROW_STATISTICS = """\
held_numbers = [column for column in NUMBERS if column in frame.columns]
if len(held_numbers) > 2:
    parts["mean of numbers"] = frame[held_numbers].mean(axis=1)
    parts["spread of numbers"] = frame[held_numbers].std(axis=1)
    parts["least of numbers"] = frame[held_numbers].min(axis=1)
    parts["greatest of numbers"] = frame[held_numbers].max(axis=1)
parts["zeros in numbers"] = (frame[held_numbers] == 0).sum(axis=1)
"""

DIGITS = """\
for column in [column for column in NUMBERS if column in frame.columns][:20]:
    parts[f"{column} fraction"] = (frame[column] % 1).round(4)
    parts[f"{column} is whole tens"] = (frame[column] % 10 == 0).astype(int)
"""

CROSSES = """\
import itertools

few = [column for column in CATEGORIES if column in frame.columns and train[column].nunique() <= 60][:5]
for first, second in itertools.combinations(few, 2):
    parts[f"{first} x {second}"] = frame[first].astype("str") + " | " + frame[second].astype("str")
"""

NUMBER_CROSSES = """\
coarse = [column for column in NUMBERS if column in frame.columns and train[column].nunique() <= 12][:4]
for column in [column for column in CATEGORIES if column in frame.columns][:4]:
    for number in coarse:
        parts[f"{column} x {number}"] = frame[column].astype("str") + " | " + frame[number].astype("str")
"""

NAMES = """\
for column in [column for column in NUMBERS if column in frame.columns][:12]:
    values = pd.to_numeric(train[column], errors="coerce").dropna()
    if 10 < values.nunique() <= len(values) / 2 and (values % 1 == 0).all():
        parts[f"{column} as a name"] = frame[column].map("{:.0f}".format, na_action="ignore")
"""

WORD_ENDS = """\
for name in STRINGS:
    strings = frame[name].astype("str").where(frame[name].notna(), "")
    parts[f"{name} abbreviation"] = strings.str.extract(r"\\b([^\\W\\d_]+)\\.", expand=False)
    parts[f"{name} last"] = strings.str.extract(r"([^\\W\\d_]+)\\W*$", expand=False)
"""

SHAPES = """\
for name in STRINGS:
    strings = frame[name].astype("str").where(frame[name].notna(), "")
    parts[f"{name} digits"] = strings.str.count(r"\\d")
    parts[f"{name} capitals"] = strings.str.count(r"[A-Z]")
    parts[f"{name} marks"] = strings.str.count(r"[^\\w\\s]")
    parts[f"{name} has bracket"] = strings.str.contains(r"[(\\[]").astype(int)
"""

CODES = """\
for name in STRINGS:
    strings = frame[name].astype("str").where(frame[name].notna(), "")
    parts[f"{name} first letter"] = strings.str.strip().str[:1].replace("", np.nan)
    parts[f"{name} first three"] = strings.str.strip().str[:3].replace("", np.nan)
    parts[f"{name} before mark"] = strings.str.extract(r"^\\s*([^,;:/_|-]+)[,;:/_|-]", expand=False)
"""

PIECES = """\
for name in STRINGS:
    strings = frame[name].astype("str").where(frame[name].notna(), "")
    pieces = strings.str.split(r"[\\s,;:/|_-]+", n=2, regex=True, expand=True)
    for place in range(min(3, pieces.shape[1])):
        parts[f"{name} piece {place + 1}"] = pieces[place].replace("", np.nan)
"""

CYCLES = """\
for name in DATES:
    dates = as_dates(frame[name])
    for part, length in ((dates.dt.hour + dates.dt.minute / 60, 24), (dates.dt.day_of_year, 365.25)):
        parts[f"{name} sine {length}"] = np.sin(2 * np.pi * part / length)
        parts[f"{name} cosine {length}"] = np.cos(2 * np.pi * part / length)
"""

CALENDAR = """\
for name in DATES:
    dates = as_dates(frame[name])
    parts[f"{name} week"] = dates.dt.isocalendar().week.astype("float64")
    parts[f"{name} day of year"] = dates.dt.day_of_year
    parts[f"{name} weekend"] = (dates.dt.day_of_week >= 5).astype(int)
    parts[f"{name} hour of week"] = dates.dt.day_of_week * 24 + dates.dt.hour
    parts[f"{name} month end"] = dates.dt.is_month_end.astype(int)
"""

GAPS = """\
for name in [name for name in DATES if name not in TIME_COLUMNS]:
    gap = as_dates(frame[TIME_COLUMNS[0]]) - as_dates(frame[name])
    parts[f"{name} to {TIME_COLUMNS[0]}"] = gap.dt.total_seconds() / 86_400
"""

FEATURE_IDEAS = (
    Idea("number_features", "Add the ratios of the leading numbers.",
         "Trees cut one number at a time and need many cuts for a quotient. Take the first seven numeric columns and "
         "divide each by each later one, zero counted as missing and extremes clipped. Everything else stays.",
         before_return(RATIOS), {"numeric": 2}),
    Idea("number_features", "Take whole numbers that recur for names as well.",
         "A person, a shop or a place is often given as a number, whose size says nothing. Write whole numbers of more "
         "than ten values, each twice or more, as categories too: the preparation encodes them in the fold.",
         before_return(NAMES), {"numeric": 1}),
    Idea("number_features", "Cross the categories of few values in pairs.",
         "Write two categories as one, such as `a | b`, for the first five of them: an effect that only a "
         "combination has "
         "then shows in one cut or one mean. The preparation encodes them like any category.",
         before_return(CROSSES), {"category": 2}),
    Idea("number_features", "Add sums and differences of the leading numbers.",
         "Totals and balances of columns in one unit often say more than the columns. Take the first seven "
         "numeric columns "
         "in pairs. Missing values stay missing.",
         before_return(DIFFERENCES), {"numeric": 2}),
    Idea("number_features", "Cross categories with numbers of few values.",
         "A count or a grade acts like a category. Join each of the first categories with each number of at "
         "most twelve "
         "values, and let the preparation encode the pairs.",
         before_return(NUMBER_CROSSES), {"category": 1, "grade": 1}),
    Idea("number_features", "Add the row's mean, spread, least and greatest number.",
         "Where columns are measured alike, their statistics over the row sum up many of them. Zeros are "
         "counted as well. "
         "Nothing is learnt, so nothing can leak.",
         before_return(ROW_STATISTICS), {"numeric": 3}),
    Idea("number_features", "Add the products of the leading numbers.",
         "Areas, totals and interactions are products. Take the first seven numeric columns in pairs and "
         "multiply them.",
         before_return(PRODUCTS), {"numeric": 2}),
    Idea("number_features", "Add the fractions of the numbers, and whether they are round.",
         "Prices and guesses show in their last digits. Take what is behind the point and whether a number is "
         "a multiple "
         "of ten, for the first twenty numbers.",
         before_return(DIGITS), {"numeric": 1}),
    Idea("string_features", "Add abbreviations and last words of the strings.",
         "A word before a full stop is often a title or a unit, and the last word is often a name or a kind. "
         "Both become "
         "categories, which the preparation encodes in the fold. The other features stay.",
         before_return(WORD_ENDS)),
    Idea("string_features", "Add the leading letters and what stands before the first mark.",
         "Codes carry their meaning in front: a deck, a region, a series. Take the first letter, the first three, and "
         "what stands before a comma, slash or dash, as categories.",
         before_return(CODES)),
    Idea("string_features", "Count digits, capitals and marks in the strings.",
         "How a text was written tells who wrote it and what kind it is. Count digits, capital letters and "
         "punctuation, "
         "and note brackets. Four cheap numbers for each string column.",
         before_return(SHAPES)),
    Idea("string_features", "Split the strings into their first pieces.",
         "Codes and names are put together of parts that recur though the whole does not. Split at spaces and marks, "
         "and take the first three pieces as categories of their own. The preparation encodes them in the fold.",
         before_return(PIECES)),
    Idea("date_features", "Add the calendar: week, day of the year, weekend, hour of the week, end of month.",
         "Habits follow the calendar, and one number for the hour of the week holds what day and hour say "
         "together. All "
         "of it recurs in new rows.",
         before_return(CALENDAR)),
    Idea("date_features", "Add the cycles of day and year as sine and cosine.",
         "The 23rd hour is next to the first, which a plain number hides. Two columns for each cycle put them "
         "on a circle, "
         "which helps smooth models most.",
         before_return(CYCLES)),
    Idea("date_features", "Add the days from each date to the time that test rows continue.",
         "How long something had been known, or open, or held, is in no single date. Subtract each other date from it, "
         "in days. The validation rows are the latest, so that a gap which only counts time does not seem to help.",
         before_return(GAPS), {"date": 2, "later date": 1}),
)  # fmt: skip
