import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split


def run(name, *, ratios=True, weights=True, depth=6):
    frame = pd.read_csv("./input/train.csv")
    if ratios:
        frame["debt_to_income"] = frame["debt"] / (frame["income"] + 1)
        frame["per_head"] = frame["income"] / (frame["dependents"].fillna(0) + 1)
    y = frame.pop("default")
    X_fit, X_val, y_fit, y_val = train_test_split(frame, y, test_size=0.2, random_state=5, stratify=y)
    model = HistGradientBoostingClassifier(max_depth=depth, class_weight="balanced" if weights else None)
    model.fit(X_fit, y_fit)
    score = roc_auc_score(y_val, model.predict_proba(X_val)[:, 1])
    print(f"{name}: {score:.5f}")
    return score


base = run("unchanged")
drops = {
    "no ratios": base - run("no ratios", ratios=False),
    "no class weights": base - run("no class weights", weights=False),
    "shallow trees": base - run("shallow trees", depth=3),
}
most = max(drops, key=drops.get)
print(f"The score depends most on: {most} ({drops[most]:+.5f})")
