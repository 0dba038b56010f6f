import lightgbm as lgb
import pandas as pd
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

train = pd.read_csv("./input/train.csv")
if len(train) > 30_000:
    train = train.sample(n=30_000, random_state=42)

# Titles say more than names.
train["Title"] = train["Name"].str.extract(r" ([A-Za-z]+)\.", expand=False).fillna("none")
train["Deck"] = train["Cabin"].str[0].fillna("U")
train["FamilySize"] = train["SibSp"] + train["Parch"] + 1
for column in ["Title", "Deck", "Sex", "Embarked"]:
    train[column] = train[column].astype("category")

features = ["Pclass", "Sex", "Age", "Fare", "Title", "Deck", "FamilySize", "Embarked"]
X_train, X_valid, y_train, y_valid = train_test_split(
    train[features], train["Survived"], test_size=0.2, random_state=42, stratify=train["Survived"]
)
model = lgb.LGBMClassifier(n_estimators=400, learning_rate=0.03, num_leaves=15, verbose=-1)
model.fit(X_train, y_train)
score = accuracy_score(y_valid, model.predict(X_valid))
print(f"Final Validation Performance: {score}")
