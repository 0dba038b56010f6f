import pandas as pd

frame = pd.read_csv("./input/train.csv")
frame = frame.fillna(0)
first = frame.sum()
frame = frame.fillna(0)
second = frame.mean()
print("Final Validation Performance:", first["a"] / second["a"])
