import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold
from xgboost import XGBClassifier

df = pd.read_csv("./input/train.csv")
target = df.pop("target")
df = pd.get_dummies(df, dummy_na=True)
params = {
    "n_estimators": 300,
    "max_depth": 5,  # deeper ones overfit
    "learning_rate": 0.05,
    "subsample": 0.8,
    "tree_method": "hist",
}
oof = np.zeros((len(df), 2))
for seed in range(2):
    for learn, hold in KFold(5, shuffle=True, random_state=seed).split(df):
        model = XGBClassifier(**params, random_state=seed)
        model.fit(df.iloc[learn], target.iloc[learn])
        oof[hold, seed] = model.predict_proba(df.iloc[hold])[:, 1]

half = len(df) // 2
stacker = LogisticRegression().fit(oof[:half], target[:half])
blend = stacker.predict_proba(oof[half:])[:, 1]
print(f"single: {log_loss(target, oof.mean(axis=1)):.5f}, stacked: {log_loss(target[half:], blend):.5f}")
print(f"Final Validation Performance: {log_loss(target[half:], blend)}")
