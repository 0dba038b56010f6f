import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def load(path):
    """Read the table; the id is no feature."""
    frame = pd.read_csv(path)
    return frame.drop(columns=["Id"])


data = load("./input/train.csv")
y = np.log1p(data.pop("SalePrice"))
X_train, X_valid, y_train, y_valid = train_test_split(data, y, test_size=0.25, random_state=7)

numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
words = make_pipeline(
    SimpleImputer(strategy="constant", fill_value="missing"),
    OneHotEncoder(handle_unknown="ignore", min_frequency=10),
)
prepare = make_column_transformer(
    (numbers, make_column_selector(dtype_include="number")),
    (words, make_column_selector(dtype_include=object)),
)
model = make_pipeline(prepare, RidgeCV(alphas=np.logspace(-2, 3, 12)))
model.fit(X_train, y_train)
error = np.sqrt(np.mean((model.predict(X_valid) - y_valid) ** 2))
print("Final Validation Performance:", error)
