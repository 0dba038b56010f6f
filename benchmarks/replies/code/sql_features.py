import sqlite3

import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupShuffleSplit


def visits(connection):
    query = """
        SELECT patient, COUNT(*) AS visits,
               AVG(stay) AS stay
        FROM visits
        WHERE kind <> 'cancelled' AND stay >= 0
        GROUP BY patient
    """
    return pd.read_sql_query(query, connection)


connection = sqlite3.connect("./input/clinic.sqlite")
patients = pd.read_csv("./input/train.csv").merge(visits(connection), on="patient", how="left")
patients["stay"] = patients["stay"].fillna(-1)
patients["risk"] = (patients["age"] > 70) & (patients["bmi"] >= 30) | (patients["smoker"] == "yes")
split = GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=11)
learn, hold = next(split.split(patients, groups=patients["clinic"]))
columns = ["age", "bmi", "visits", "stay", "risk"]
forest = RandomForestClassifier(n_estimators=300, min_samples_leaf=3, class_weight="balanced", random_state=11)
forest.fit(patients.iloc[learn][columns], patients.iloc[learn]["readmitted"])
found = forest.predict(patients.iloc[hold][columns])
print(f"Final Validation Performance: {balanced_accuracy_score(patients.iloc[hold]['readmitted'], found)}")
