import itertools

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.metrics import r2_score

wine = pd.read_csv("./input/train.csv", sep=";")
y = wine.pop("quality").to_numpy()
X = wine.to_numpy()
rng = np.random.RandomState(8)
fold = rng.randint(0, 5, size=len(y))
models = {
    "trees": lambda: ExtraTreesRegressor(300, random_state=8),
    "boosting": lambda: HistGradientBoostingRegressor(max_iter=200, random_state=8),
}
oof = {name: np.zeros(len(y)) for name in models}
for k, (name, make) in itertools.product(range(5), models.items()):
    oof[name][fold == k] = make().fit(X[fold != k], y[fold != k]).predict(X[fold == k])

best, weight = -np.inf, 0.0
for w in np.linspace(0, 1, 21):
    value = r2_score(y[fold < 3], (w * oof["trees"] + (1 - w) * oof["boosting"])[fold < 3])
    if value > best:
        best, weight = value, w
mixed = weight * oof["trees"] + (1 - weight) * oof["boosting"]
print(f"Final Validation Performance: {r2_score(y[fold >= 3], mixed[fold >= 3])}")
