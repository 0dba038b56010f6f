import lightgbm as lgb
import numpy as np
import pandas as pd

sales = pd.read_csv("./input/train.csv", parse_dates=["date"])
sales = sales.sort_values(["store", "item", "date"]).reset_index(drop=True)


def add_lags(frame, lags=(7, 14, 28)):
    """
    Lags per store and item.

        lag_7   the same weekday a week ago
        roll_28 the mean of the four weeks before
    """
    group = frame.groupby(["store", "item"])["sales"]
    for lag in lags:
        frame[f"lag_{lag}"] = group.shift(lag)
    frame["roll_28"] = group.transform(lambda s: s.shift(1).rolling(28).mean())
    return frame


sales = add_lags(sales)
sales["weekday"] = sales["date"].dt.dayofweek
sales["month"] = sales["date"].dt.month
last = sales["date"].max() - pd.Timedelta(days=28)
learn, hold = sales[sales["date"] <= last], sales[sales["date"] > last]
features = [name for name in sales.columns if name not in ("date", "sales")]
model = lgb.LGBMRegressor(n_estimators=600, learning_rate=0.05, objective="tweedie", verbose=-1)
model.fit(learn[features], learn["sales"])
predicted = np.maximum(model.predict(hold[features]), 0)
smape = 100 * np.mean(2 * np.abs(predicted - hold["sales"]) / (np.abs(predicted) + np.abs(hold["sales"]) + 1e-9))
print(f"Final Validation Performance: {smape}")
