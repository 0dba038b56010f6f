import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error

README = """# Model report

```python
model = HistGradientBoostingRegressor()
```

Scores:
```
mae {score:.3f}
```
"""

frame = pd.read_parquet("./input/train.parquet")
cutoff = frame["week"].quantile(0.8)
learn, hold = frame[frame["week"] <= cutoff], frame[frame["week"] > cutoff]
model = HistGradientBoostingRegressor(loss="absolute_error", max_iter=250)
model.fit(learn.drop(columns="demand"), learn["demand"])
score = mean_absolute_error(hold["demand"], model.predict(hold.drop(columns="demand")))
with open("working/report.md", "w") as file:
    file.write(README.format(score=score))
print(f"Final Validation Performance: {score}")
