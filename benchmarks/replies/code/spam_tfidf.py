import re

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

URL = re.compile(r"https?://\S+|www\.\S+")
CONTRACTIONS = {"n't": " not", "'re": " are", "'ll": " will", "it’s": "it is"}


def tidy(text: str) -> str:
    text = URL.sub(" url ", text.lower())
    for short, full in CONTRACTIONS.items():
        text = text.replace(short, full)
    return re.sub(r"[^a-z0-9 ]+", " ", text)


frame = pd.read_csv("./input/train.csv", nrows=30_000)
texts, target = frame["message"].map(tidy), frame["is_spam"].to_numpy()
scores = []
for fold, (learn, hold) in enumerate(StratifiedKFold(5, shuffle=True, random_state=1).split(texts, target)):
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True)
    X_learn = vectorizer.fit_transform(texts.iloc[learn])
    X_hold = vectorizer.transform(texts.iloc[hold])
    model = LogisticRegression(C=4.0, max_iter=1000).fit(X_learn, target[learn])
    scores.append(roc_auc_score(target[hold], model.predict_proba(X_hold)[:, 1]))
    print(f"fold {fold}: {scores[-1]:.4f}")
print(f"Final Validation Performance: {sum(scores) / len(scores)}")
