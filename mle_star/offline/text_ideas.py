"""Refinements of the features, preparations and models of texts."""

from __future__ import annotations

from mle_star.offline.recipe import Change, Idea, before_return, replace_text, set_keywords

STYLE = """\
for name in TEXTS:
    texts = frame[name].astype("str").where(frame[name].notna(), "")
    parts[f"{name} begins low"] = texts.str.contains(r"^\\s*[a-z]")
    parts[f"{name} ends with a mark"] = texts.str.contains(r"[.!?]\\s*$")
    parts[f"{name} shouted words"] = texts.str.count(r"\\b[A-Z]{3,}\\b").clip(upper=10)
    parts[f"{name} quotes"] = texts.str.count("[\\"“”]").clip(upper=10)
    parts[f"{name} dots"] = texts.str.count(r"\\.{2,}").clip(upper=5)
"""

READING = """\
for name in TEXTS:
    texts = frame[name].astype("str").where(frame[name].notna(), "")
    sentences = texts.str.count(r"[.!?]+").clip(lower=1)
    parts[f"{name} words per sentence"] = np.log1p(texts.str.count(r"\\S+") / sentences)
    parts[f"{name} long words"] = texts.str.count(r"\\w{8,}") / texts.str.count(r"\\S+").clip(lower=1)
    parts[f"{name} commas"] = texts.str.count(",") / sentences
"""

VARIETY = """\
for name in TEXTS:
    words = frame[name].astype("str").where(frame[name].notna(), "").str.lower().str.split()
    count = words.str.len().clip(lower=1)
    parts[f"{name} distinct words"] = words.map(lambda found: len(set(found))) / count
    most = words.map(lambda found: max(map(found.count, set(found[:200])), default=0))
    parts[f"{name} most frequent word"] = most / count
"""

NUMBERS = """\
for name in TEXTS:
    texts = frame[name].astype("str").where(frame[name].notna(), "")
    first = pd.to_numeric(texts.str.extract(r"(\\d{1,9}(?:\\.\\d+)?)", expand=False), errors="coerce")
    parts[f"{name} first number"] = np.log1p(first)
    year = texts.str.extract(r"\\b(1[5-9]\\d\\d|20\\d\\d)\\b", expand=False)
    parts[f"{name} year"] = pd.to_numeric(year, errors="coerce")
    parts[f"{name} numbers"] = texts.str.count(r"\\d+").clip(upper=20)
"""

SLANG = """\
lengthened = {name: parts[name].astype("str").str.replace(r"(.)\\1{2,}", r"\\1\\1", regex=True) for name in TEXTS}
parts |= {name: texts.where(frame[name].notna()) for name, texts in lengthened.items()}
"""

CALLS = """\
named = {name: parts[name].astype("str").str.replace(r"(?<!\\w)@\\w+", "usercall", regex=True) for name in TEXTS}
parts |= {name: texts.where(frame[name].notna()) for name, texts in named.items()}
"""

NUMBER_WORDS = """\
counted = {name: parts[name].astype("str").str.replace(r"\\d{5,}", "longnumber", regex=True) for name in TEXTS}
parts |= {name: texts.where(frame[name].notna()) for name, texts in counted.items()}
"""

NEGATIONS = """\
negation = r"(?i)\\b(not|no|never|\\w+n't) (\\w+)"
negated = {name: parts[name].astype("str").str.replace(negation, r"\\1 \\2 not_\\2", regex=True) for name in TEXTS}
parts |= {name: texts.where(frame[name].notna()) for name, texts in negated.items()}
"""

BUCKETS = """\
# A smooth curve for each number, so that a linear model can bend.
from sklearn.preprocessing import SplineTransformer

if numbers:
    curves = make_pipeline(filled, SplineTransformer(n_knots=5, sparse_output=True)).fit(fit_side[numbers])
    fit_matrix = sparse.hstack([fit_matrix, curves.transform(fit_side[numbers])])
    new_matrix = sparse.hstack([new_matrix, curves.transform(new_side[numbers])])
"""


def idea(block: str, title: str, reason: str, change: Change) -> Idea:
    """An idea that leaves the rest of its block alone, and says so."""
    return Idea(block, title, f"{reason} The rest of the block stays as it is.", change)


IDEAS = (
    idea("text_shape", "Measure how the texts are styled.",
         "Add whether a text begins with a small letter or ends with a mark, and how often it shouts, quotes and "
         "trails off. Authors and moods differ in these, and words alone do not show them.", before_return(STYLE)),
    idea("text_shape", "Measure how hard the texts are to read.",
         "Add words per sentence, the share of long words, and commas per sentence. They tell registers apart.",
         before_return(READING)),
    idea("text_shape", "Measure how varied the words are.",
         "Add the share of distinct words and that of the most frequent word. Repetitive texts stand out.",
         before_return(VARIETY)),
    idea("text_shape", "Read the numbers in the texts.",
         "Add the first number, the first year and the count of numbers. A bag of words cannot order numbers.",
         before_return(NUMBERS)),
    idea("clean_text", "Mark the words that a negation turns round.",
         "Repeat the word after a negation with a prefix, so that `not good` differs from `good`. Cheap, and it helps "
         "wherever opinions are judged.", before_return(NEGATIONS)),
    idea("clean_text", "Shorten letters that are repeated for emphasis.",
         "Write runs of three and more equal letters as two, so that `sooooo` and `soooo` become one word.",
         before_return(SLANG)),
    idea("clean_text", "Replace the names of called users by one word.",
         "Every `@name` becomes the same word: that somebody is called matters, who it is seldom recurs.",
         before_return(CALLS)),
    idea("clean_text", "Replace long numbers by one word.",
         "Numbers of five digits and more hardly recur: one word for them all is learnt from.",
         before_return(NUMBER_WORDS)),
    idea("side_columns", "Let the columns beside the texts weigh twice as much.",
         "Set the weight to 0.6, so that regularisation shrinks their coefficients less.", set_keywords(weight=0.6)),
    idea("side_columns", "Let the columns beside the texts weigh a third as much.",
         "Set the weight to 0.1, so that words come first.", set_keywords(weight=0.1)),
    idea("side_columns", "Give every number beside the texts a smooth curve.",
         "Add splines of the scaled numbers, so that linear models can bend.", before_return(BUCKETS)),
    idea("side_columns", "Keep rarer categories apart.",
         "Let a category stand alone from two rows on instead of five.",
         replace_text("min_frequency=5", "min_frequency=2")),
    idea("word_matrix", "Add runs of three words.",
         "Count n-grams up to three words and allow a vocabulary of 120,000. Fixed phrases tell more than their words.",
         set_keywords(longest=3, vocabulary=120_000)),
    idea("word_matrix", "Keep to single words.",
         "Leave pairs of words out. On few rows pairs hardly recur, and the fit becomes steadier and faster.",
         set_keywords(longest=1)),
    idea("word_matrix", "Tell capital letters apart.",
         "Do not turn words to small letters: names, shouting and sentence starts become words of their own.",
         set_keywords(lowercase=False)),
    idea("word_matrix", "Leave out words that occur in more than half of the texts.",
         "They cost weight and tell little. Set `max_df` to 0.5 for tables of a thousand rows and more.",
         replace_text("sublinear_tf=True,", "sublinear_tf=True, max_df=0.5 if len(fit_texts) >= 1_000 else 1.0,")),
    idea("word_matrix", "Count words as there or not there.",
         "Use binary counts with inverse document frequencies: repetition matters little in short texts.",
         replace_text("sublinear_tf=True,", "binary=True,")),
    idea("letter_matrix", "Take longer runs of letters.",
         "Count runs up to seven letters: whole words and their endings, at some cost in time.",
         set_keywords(longest=7, vocabulary=150_000)),
    idea("letter_matrix", "Take shorter runs of letters.",
         "Count runs up to four letters: fewer columns, which are fitted more firmly.", set_keywords(longest=4)),
    idea("letter_matrix", "Tell capital letters apart in runs of letters.",
         "Do not turn the texts to small letters before the runs are counted.",
         set_keywords(lowercase=False)),
    idea("letter_matrix", "Keep twice as many runs of letters.",
         "Raise the vocabulary to 250,000 runs. Rare spellings tell sources and authors apart.",
         set_keywords(vocabulary=250_000)),
    idea("word_letter_matrix", "Let runs of letters weigh half as much as words.",
         "Set the balance to 0.5: words carry the meaning, letters the spelling.", set_keywords(balance=0.5)),
    idea("word_letter_matrix", "Let runs of letters weigh twice as much as words.",
         "Set the balance to 2: style and word forms count more.", set_keywords(balance=2.0)),
    idea("word_letter_matrix", "Leave the runs of letters out.",
         "Words alone give a much smaller matrix, whose fit is steadier on few rows.", set_keywords(letters=False)),
    idea("word_letter_matrix", "Let runs of letters weigh a quarter of what words weigh.",
         "Set the balance to 0.25, so that letters only decide where words are silent.", set_keywords(balance=0.25)),
    idea("topic_matrix", "Take twice as many topics.",
         "Keep 200 components: finer distinctions, at some cost in time.", set_keywords(topics=200)),
    idea("topic_matrix", "Take half as many topics.",
         "Keep 50 components: distances become more robust.", set_keywords(topics=50)),
    idea("topic_matrix", "Keep the lengths of the topic vectors.",
         "Do not normalise: how strongly a text has topics at all is information too.",
         replace_text('normalize(fit_matrix).astype("float32"), normalize(new_matrix).astype("float32")',
                      'fit_matrix.astype("float32"), new_matrix.astype("float32")')),
    idea("topic_matrix", "Iterate the decomposition longer.",
         "Use seven power iterations, so that the later topics are exact.", replace_text("n_iter=3", "n_iter=7")),
    idea("tree_words", "Give the trees twice as many words.",
         "Take the 800 most frequent words: trees choose among them by themselves.", set_keywords(words=800)),
    idea("tree_words", "Give the trees more topics.",
         "Take 100 topics, which sum up the rarer words.", set_keywords(topics=100)),
    idea("tree_words", "Give the trees fewer words and topics.",
         "Take 150 words and 20 topics: less noise to split on.", set_keywords(words=150, topics=20)),
    idea("tree_words", "Give the trees pairs of words as well.",
         "Build the word matrix with pairs, of which the frequent ones become columns.",
         set_keywords(longest=2)),
    idea("nb_svm", "Regularise the logistic regressions less.",
         "Set the strength to 12: sparse features of many texts can bear it.", set_keywords(strength=12.0)),
    idea("nb_svm", "Regularise the logistic regressions more.",
         "Set the strength to 1.5: probabilities become less extreme.", set_keywords(strength=1.5)),
    idea("nb_svm", "Smooth the counts less.",
         "Set the smoothing to 0.3, so that rare words get sharper ratios.", set_keywords(smoothing=0.3)),
    idea("nb_svm", "Weigh the classes alike.",
         "Fit each regression with balanced class weights, for metrics that count rare classes fully.",
         replace_text('solver="liblinear",', 'solver="liblinear", class_weight="balanced",')),
    idea("linear_svm", "Regularise the machine more.",
         "Set the strength to 0.15: a wider margin on noisy texts.", set_keywords(strength=0.15)),
    idea("linear_svm", "Regularise the machine less.", "Set the strength to 1.5: a tighter fit on clear texts.",
         set_keywords(strength=1.5)),
    idea("linear_svm", "Weigh the classes by their rarity.",
         "Balanced class weights move the margins towards the frequent classes.", set_keywords(balanced=True)),
    idea("linear_svm", "Calibrate on more parts.",
         "Learn the sigmoid from five parts instead of three: margins that are nearer to those of the final model.",
         replace_text("fit_target, new_matrix)", "fit_target, new_matrix, parts=5)")),
    idea("text_logistic", "Regularise the regression less.", "Set the strength to 30: rare words may count more.",
         set_keywords(strength=30.0)),
    idea("text_logistic", "Regularise the regression more.", "Set the strength to 2: calmer probabilities.",
         set_keywords(strength=2.0)),
    idea("text_logistic", "Weigh the classes by their rarity in the regression.",
         "Balanced class weights, for metrics that count rare classes fully.",
         replace_text("max_iter=passes,", 'max_iter=passes, class_weight="balanced",')),
    idea("text_logistic", "Let the regression pass over the texts more often.",
         "Forty passes at a strength of 4: nearer to the best fit, which is held back by its strength instead.",
         set_keywords(strength=4.0, passes=40)),
    idea("naive_bayes", "Count what is not in a class.",
         "Complement naive Bayes estimates each class from all other classes: better where classes are uneven.",
         set_keywords(complement=True)),
    idea("naive_bayes", "Smooth the word counts more.", "Set the smoothing to 0.1.", set_keywords(smoothing=0.1)),
    idea("naive_bayes", "Smooth the word counts less.", "Set the smoothing to 0.01.", set_keywords(smoothing=0.01)),
    idea("naive_bayes", "Take all classes for equally frequent.", "A uniform prior favours rare classes.",
         replace_text("MultinomialNB(alpha=smoothing)", "MultinomialNB(alpha=smoothing, fit_prior=False)")),
    idea("sparse_network", "Let the network pass over the texts twice as often.",
         "Eight passes at half the rate: a finer fit.", set_keywords(epochs=8, rate=0.001)),
    idea("sparse_network", "Make the network wider.", "Use 96 hidden units for more patterns.", set_keywords(width=96)),
    idea("sparse_network", "Average the network over four starts.",
         "Random starts differ much on sparse words, and their mean is better than each.",
         replace_text("max(2, BAGS)", "max(4, BAGS)")),
    idea("sparse_network", "Stop the network earlier.", "Two passes only, at a higher rate: less overfitting.",
         set_keywords(epochs=2, rate=0.004)),
    idea("text_boosting", "Boost more slowly with more trees.", "Halve the learning rate and grow 400 trees.",
         set_keywords(learning_rate=0.04, trees=400)),
    idea("text_boosting", "Let each tree see fewer columns.", "A tenth of the columns each: trees differ more.",
         set_keywords(columns=0.1)),
    idea("text_boosting", "Grow larger trees.", "Use 31 leaves: interactions of several words.",
         set_keywords(leaves=31)),
    idea("text_boosting", "Grow smaller trees.", "Use 6 leaves of at least 25 rows.",
         set_keywords(leaves=6, min_rows=25)),
    idea("text_trees", "Let the trees choose among more columns.", "Try a tenth of all columns at each cut.",
         set_keywords(columns=0.1)),
    idea("text_trees", "Grow the trees to single rows.", "Leaves of one row: less bias.", set_keywords(min_leaf=1)),
    idea("text_trees", "Let the trees choose among a fifth of the columns.", "Most words do not matter for a cut.",
         set_keywords(columns=0.2)),
    idea("text_trees", "Grow twice as many trees.", "300 trees: a steadier mean.", set_keywords(trees=300)),
    idea("topic_kernel", "Take more landmarks.", "Use 1,500 landmarks: a finer kernel.", set_keywords(landmarks=1_500)),
    idea("topic_kernel", "Make the kernel narrower.", "Set the width to 5: nearer texts count more.",
         set_keywords(width=5.0)),
    idea("topic_kernel", "Make the kernel wider.", "Set the width to 0.7: smoother.", set_keywords(width=0.7)),
    idea("topic_kernel", "Regularise the kernel machine differently.", "Set the strength to 1.",
         set_keywords(strength=1.0)),
    idea("similar_texts", "Ask more neighbours.", "Use 50 neighbours.", set_keywords(neighbours=50)),
    idea("similar_texts", "Ask fewer neighbours.", "Use 8 neighbours.", set_keywords(neighbours=8)),
    idea("similar_texts", "Let the nearest texts count far more.", "Set the sharpness to 15.",
         set_keywords(sharpness=15.0)),
    idea("similar_texts", "Let near and far neighbours count more alike.", "Set the sharpness to 2.",
         set_keywords(sharpness=2.0)),
    idea("text_ridge", "Regularise the ridge more.", "Set the strength to 3.", set_keywords(strength=3.0)),
    idea("text_ridge", "Regularise the ridge less.", "Set the strength to 0.4.", set_keywords(strength=0.4)),
    idea("text_ridge", "Solve the ridge more exactly.", "Set the tolerance to 1e-5.",
         replace_text("tol=1e-3", "tol=1e-5")),
    idea("text_ridge", "Regularise the ridge much more.", "Set the strength to 8: for short and noisy texts.",
         set_keywords(strength=8.0)),
    idea("linear_svr", "Fit the support vector regression harder.", "Set the strength to 1.",
         set_keywords(strength=1.0)),
    idea("linear_svr", "Fit the support vector regression more softly.", "Set the strength to 0.1.",
         set_keywords(strength=0.1)),
    idea("linear_svr", "Let large errors count by their square.",
         "The squared loss serves metrics that punish large errors.", set_keywords(robust=False)),
    idea("linear_svr", "Let small errors be free further out.", "Set the tolerance to 0.3.",
         set_keywords(tolerance=0.3)),
    idea("topic_ridge", "Leave the products of topics out.", "Degree 1: a plain linear model.", set_keywords(degree=1)),
    idea("topic_ridge", "Take products of more topics.", "Products among the first 40 topics.",
         set_keywords(interactions=40)),
    idea("topic_ridge", "Regularise the topics less.", "Set the strength to 0.05.", set_keywords(strength=0.05)),
    idea("topic_ridge", "Regularise the topics more.", "Set the strength to 1.", set_keywords(strength=1.0)),
)  # fmt: skip
