"""Metrics under the names people give them."""

import pickle

import pytest

from mle_star.models.data_models import Direction
from mle_star.models.errors import ConfigError, MissingFacts
from mle_star.models.known_metrics import KNOWN
from mle_star.models.metric_finder import find_metric
from mle_star.models.metrics import recognise, resolve_metric

SPELLINGS = {
    "auc_roc": [
        "AUC",
        "ROC AUC",
        "ROC-AUC score",
        "auroc",
        "roc_auc",
        "area under the ROC curve",
        "AUC (ROC)",
        "Area Under the Receiver Operating Characteristic Curve (AUROC)",
        "Mean AUC",
    ],
    "log_loss": [
        "logloss",
        "Log Loss",
        "log-loss",
        "multi-class log loss",
        "Cross-Entropy",
        "neg_log_loss",
        "mlogloss",
    ],
    "accuracy": ["Accuracy", "accuracy_score", "classification accuracy", "the mean accuracy"],
    "balanced_accuracy": ["balanced accuracy score", "Balanced_Accuracy"],
    "f1": ["F1", "F1-score", "f1_score", "F-measure", "mean F1"],
    "f1_macro": ["macro F1", "F1 (macro)", "macro-averaged F1 score", "f1-macro"],
    "f1_micro": ["micro F1", "micro-averaged F1"],
    "f1_weighted": ["weighted F1 score", "f1_weighted"],
    "f2": ["F2 score", "f2"],
    "f0.5": ["F0.5", "F0.5-score"],
    "mcc": ["MCC", "Matthews correlation coefficient", "Matthew's correlation"],
    "average_precision": ["Average Precision", "PR AUC", "auprc", "area under the precision-recall curve"],
    "quadratic_kappa": ["QWK", "Quadratic Weighted Kappa", "quadratic weighted Cohen's kappa"],
    "kappa": ["Cohen's kappa", "Cohen’s Kappa", "cohen_kappa_score"],
    "brier": ["Brier", "Brier score", "brier_score_loss"],
    "rmse": ["RMSE", "root mean squared error", "Root-Mean-Square Error", "neg_root_mean_squared_error"],
    "mse": ["MSE", "mean squared error", "neg_mean_squared_error"],
    "mae": ["MAE", "mean absolute error"],
    "medae": ["MedAE", "median absolute error"],
    "mape": ["MAPE", "mean absolute percentage error"],
    "smape": ["SMAPE", "sMAPE", "symmetric mean absolute percentage error"],
    "wmape": ["WMAPE", "WAPE"],
    "rmsle": ["RMSLE", "root mean squared logarithmic error", "Root Mean Squared Log Error (RMSLE)"],
    "msle": ["MSLE", "mean_squared_log_error"],
    "r2": ["R2", "R²", "R^2", "r2_score", "R-squared", "coefficient of determination"],
    "pinball": ["pinball loss", "quantile loss"],
    "spearman": ["Spearman", "Spearman's rank correlation coefficient", "Spearman’s rho"],
    "pearson": ["Pearson correlation", "Pearson's r"],
    "map@5": ["MAP@5", "map @ 5", "Mean Average Precision at 5", "mean average precision @ 5 (MAP@5)"],
    "ndcg@10": ["NDCG@10", "nDCG at 10"],
    "recall@20": ["Recall@20"],
    "accuracy@5": ["top-5 accuracy"],
    "hit_rate@10": ["HR@10", "hit rate @10"],
    "gini": ["Gini", "Normalized Gini Coefficient"],
    "dice": ["Dice", "Dice coefficient", "Sørensen-Dice"],
    "jaccard": ["IoU", "Jaccard index", "intersection over union"],
    "concordance_index": ["concordance index", "C-index"],
    "mean_columnwise_rmse": ["MCRMSE", "mean columnwise RMSE", "mean column-wise root mean squared error"],
    "mean_columnwise_auc_roc": ["mean column-wise ROC AUC"],
    "mean_columnwise_log_loss": ["mean columnwise log loss"],
}
SMALLER_IS_BETTER = {
    "log_loss",
    "brier",
    "rmse",
    "mse",
    "mae",
    "medae",
    "mape",
    "smape",
    "wmape",
    "rmsle",
    "msle",
    "pinball",
}


@pytest.mark.parametrize(("name", "spelling"), [(name, s) for name, each in SPELLINGS.items() for s in each])
def test_a_usual_spelling_gives_the_canonical_name(name: str, spelling: str) -> None:
    for written in (spelling, spelling.lower(), spelling.upper(), f"  {spelling} "):
        assert resolve_metric(written, None).name == name


@pytest.mark.parametrize("name", [*KNOWN, *SPELLINGS])
def test_a_canonical_name_is_its_own_spelling(name: str) -> None:
    assert resolve_metric(name, None).name == name


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_direction_is_known(name: str) -> None:
    assert resolve_metric(name, None).maximize is (name.removeprefix("mean_columnwise_") not in SMALLER_IS_BETTER)


@pytest.mark.parametrize(
    ("name", "right", "wrong"), [("AUC", "maximize", "minimize"), ("rmse", "minimize", "maximize")]
)
def test_a_direction_that_contradicts_a_known_metric_is_refused_by_name(
    name: str, right: Direction, wrong: Direction
) -> None:
    assert resolve_metric(name, right).direction
    with pytest.raises(ConfigError, match=resolve_metric(name, None).name):
        resolve_metric(name, wrong)


def test_an_unknown_metric_needs_a_direction_and_keeps_its_name() -> None:
    with pytest.raises(MissingFacts) as raised:
        resolve_metric("Widget Quality", None)
    assert raised.value.fields == ("metric_direction",)
    assert "Widget Quality" in str(raised.value)
    metric = resolve_metric(" Widget Quality ", "minimize")
    assert (metric.name, metric.maximize) == ("Widget Quality", False)


@pytest.mark.parametrize("name", ["score", "the metric", "mean", "error", "banana", "@5", "42", "…"])
def test_a_word_that_names_no_metric_is_not_one(name: str) -> None:
    assert recognise(name) is None


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(ConfigError):
        resolve_metric("  ", "maximize")


def test_what_a_submission_must_hold_follows_from_the_metric() -> None:
    held = {name: resolve_metric(name, None).predicts for name in ("auc", "accuracy", "rmse", "map@5", "qwk")}
    assert held == {"auc": "probabilities", "accuracy": "labels", "rmse": "values", "map@5": "ranking", "qwk": "labels"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Submissions are scored by the **root mean squared logarithmic error (RMSLE)**:", "rmsle"),
        ("## Evaluation\nSubmissions are scored by **accuracy**: the share of", "accuracy"),
        ("Submissions are scored by the **multi-class logarithmic loss**: the mean", "log_loss"),
        ("Submissions are scored by the **area under the ROC curve (AUC)** between", "auc_roc"),
        ("Submissions are evaluated on area under the ROC curve between the predicted probability and", "auc_roc"),
        ("evaluated on Root-Mean-Squared-Error (RMSE) between the logarithm of the predicted value and the", "rmsle"),
        ("Submissions are scored based on the quadratic weighted kappa, which measures", "quadratic_kappa"),
        ("Submissions are evaluated according to the Mean Average Precision @ 5 (MAP@5)", "map@5"),
        ("Evaluated using the macro F1-score.", "f1_macro"),
        ("Metric: F1 score (macro averaged)", "f1_macro"),
        ("evaluated on micro-averaged F1", "f1_micro"),
        (
            "evaluated on the mean column-wise ROC AUC. In other words, the score is the average",
            "mean_columnwise_auc_roc",
        ),
        ("scored using MCRMSE, mean columnwise root mean squared error", "mean_columnwise_rmse"),
        ("## Metric\nR²", "r2"),
        ("The evaluation metric is not accuracy but log loss.", "log_loss"),
        ("This sensor has a mean absolute error of 3. Submissions are evaluated on SMAPE between", "smape"),
        ("Your score is the percentage of passengers you correctly predict. This is known as accuracy.\n", "accuracy"),
        ("## Metric\nYour score is the percentage you correctly predict. This is known as accuracy.", "accuracy"),
        ("scored by Cohen’s kappa with quadratic weights", "quadratic_kappa"),
        ("The metric is NDCG@5", "ndcg@5"),
        ("The evaluation metric is **Weighted Mean Absolute Percentage Error**", "wmape"),
        ("We evaluate by Spearman's rank correlation coefficient", "spearman"),
        ("Mean absolute error is used to judge.", "mae"),
        ("The map shows the region. Recall that the accuracy of the sensor is low.", None),
        ("## Evaluation\nRecall that a map of sites is included. Scored by RMSE.", "rmse"),
        ("Predict the gini of a country. The metric is MAE.", "mae"),
        ("", None),
        ("nothing of the kind", None),
    ],
)
def test_the_metric_is_found_in_a_description(text: str, name: str | None) -> None:
    assert find_metric(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"evaluated on [RMSE](https://a.b/{'c' * 90}) between "
         "the logarithm of the predicted value and the logarithm of the observed one", "rmsle"),
        ("Evaluated on RMSE between logs of predicted and observed prices.", "rmsle"),
        ("The metric is the RMSE on log-transformed sales", "rmsle"),
        ("evaluated on RMSE between the predicted log error and the actual log error", "rmse"),
        ("evaluated on area under the [ROC curve](http://a.b/log_loss) between", "auc_roc"),
        ("evaluated on [this](https://a.b/wiki/Mean_absolute_error)", "mae"),
        ('<h2>Evaluation</h2><p>judged by area under the <a href="http://a.b/log_loss">ROC curve</a></p>', "auc_roc"),
        ("NDCG (Normalized discounted cumulative gain) @k where k=5", "ndcg@5"),
        ("Submissions are evaluated using MAP@K where K = 3", "map@3"),
        ("Submissions are evaluated by their top-3 accuracy.", "accuracy@3"),
        ("Submissions are evaluated with the F2 score.", "f2"),
        ("Submissions are scored by the percentage of correct predictions", "accuracy"),
        ("The predictions are evaluated by the root mean\nsquared error of the price.", "rmse"),
        ("- What is handed in is evaluated, when it is\n  all over and the answers are there, by root mean\n"
         "  squared error of the price", "rmse"),
        ("Submissions are evaluated by RMSE, so take the log of skewed columns first.", "rmse"),
        ("This benchmark is evaluated by RMSE. The mean absolute error of a constant is large.", "rmse"),
        ("Earlier rows are in train.csv; predictions are judged by RMSE. The MAE is of no interest.", "rmse"),
        ("Submissions are evaluated on the area under\nthe ROC curve.", "auc_roc"),
    ],
)  # fmt: skip
def test_a_metric_is_read_whole_through_links_line_ends_and_formulas(text: str, name: str) -> None:
    assert find_metric(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Unlike last year's contest, which was scored by AUC, we use the log loss.", "log_loss"),
        ("Evaluated by the log loss, unlike the previous contest, which used the AUC.", "log_loss"),
        ("The winner of last year had an AUC of 0.93. This year we use F1.", "f1"),
        ("The old model reaches an RMSE of 0.3; we want a lower mean absolute error.", "mae"),
        ("## Evaluation\n- MAE on the test rows\n- the baseline gets RMSE 12.3", "mae"),
        ("## Evaluation\nOur baseline has an RMSE of 0.3, judge it by the MAE.", "mae"),
        ("The RMSE of a constant is 0.3. We judge by the MAE.", "mae"),
        ("Forecast accuracy is measured by the MAE.", "mae"),
        ("Metric: accuracy. Secondary metric: ROC AUC.", "accuracy"),
        ("## Evaluation\nPrimary metric: F1. Secondary metric: AUC.", "f1"),
        ("## Evaluation\nROC AUC is shown for information; the ranking is decided by F1.", "f1"),
        ("## Evaluation\nRanked by accuracy; ties are broken by log loss.", "accuracy"),
        ("## Evaluation\nRanked by accuracy and, in case of a tie, by log loss.", "accuracy"),
        ("## Data\nEvaluated by two raters, Cohen's kappa was high.\n## Evaluation\nLog loss", "log_loss"),
        ("The baseline has an RMSE of 0.3.", "rmse"),
        ("## Evaluation\nBecause the MSE punishes outliers, submissions are evaluated by the MAE.", "mae"),
        (
            "## Evaluation\nSince ROC AUC misleads where classes are rare, we use average precision.",
            "average_precision",
        ),
        ("## Evaluation\nScored by RMSE. 20% of the rows are public.\nThe MAE is the mean of |y - ŷ|.", "rmse"),
        ("## Evaluation\nAs in the previous contest, AUC counts.\n## Notes\nSome like RMSE.", "auc_roc"),
    ],
)
def test_what_is_told_of_others_and_beside_the_point_is_not_the_metric(text: str, name: str) -> None:
    assert find_metric(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Clicks\n---\nscored in log loss\n\nEvaluation\n---\nROC-AUC\n\nData\n---\nAccuracy 0.1.", "auc_roc"),
        ("**Evaluation**\nBrier score\n\n**Files**\nThe accuracy of the gauge", "brier"),
        ("## Evaluation\n### Goal\nPredict.\n### Root Mean Squared Error (RMSE)\nThe root of it.", "rmse"),
        ("## Evaluation\n### Primary Scoring Metric\nAccuracy\n## Data\nLog loss of others", "accuracy"),
        ("## How we measure\nMean accuracy", "accuracy"),
        ("### 3. Success criteria\nThe share of correct predictions", "accuracy"),
        ("# Evaluation of loans\nPast AUC: 0.7\n\n## Metric\nF1", "f1"),
        ("We use R2.", "r2"),
        ("Keep the average absolute error small.", "mae"),
        ("Tell the state of a machine. Accuracy counts.", "accuracy"),
        ("What counts is F1.", "f1"),
        ("How many are sold? Mean absolute error.", "mae"),
        ("Each row counts words with an accuracy of 0.1.", None),
        ("Bewertet wird mit F1; der RMSE des alten Modells war 0,3.", "f1"),
        ("Métrica de evaluación: error absoluto medio (MAE)", "mae"),
    ],
)  # fmt: skip
def test_the_metric_stands_under_a_heading_of_any_form_or_in_a_users_words(text: str, name: str | None) -> None:
    assert find_metric(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('Ranking by the F1 of "yes".', "f1"),
        ("The ranking is by the F1 of the class yes.", "f1"),
        ("Ranking: F1 of class 1", "f1"),
        ('F1 of "yes" is used.', "f1"),
        ("R2 is used to compare submissions.", "r2"),
        ("Best F1 wins.", "f1"),
        ("The highest R2 gets the prize.", "r2"),
        ("Our goal is the best F1.", "f1"),
        ("Predict `yield` of later years; coefficient of determination (R2).", "r2"),
        ("Performance measure: the area under the precision-recall curve", "average_precision"),
        ("Predict the next race of F1 for each driver.", None),
        ("Highest recall of cars is our aim.", None),
        ("Data of F1 races. Predict the position. RMSE.", "rmse"),
        ("Predict the ranking of each team. RMSE.", "rmse"),
        ("Sensors of high precision are used. RMSE.", "rmse"),
        ("PCA with explained variance is used. RMSE.", "rmse"),
        ("The tree ranks by gini impurity. MAE.", "mae"),
        ("The vote decides on the map. RMSE.", "rmse"),
    ],
)
def test_the_metric_is_what_ranks_wins_or_is_used(text: str, name: str | None) -> None:
    assert find_metric(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Classify the rows. Accuracy.", "accuracy"),
        ("Classify the rows.\n\n**Accuracy**", "accuracy"),
        ("Classify the rows.\nPrecision\nRecall", None),
        ("Columns:\n- speed\n- accuracy", None),
        ("The column is\n`accuracy`", None),
        ("Final score is the harmonic mean of precision and recall.", "f1"),
        ("Your score is the percentage of rows you get right.", "accuracy"),
        ("Evaluation: share of correctly predicted agents.", "accuracy"),
        ("A third of the share of correctly predicted storms was luck.", None),
        ("Scored by the root of the mean of squared errors.", "rmse"),
        ("Judged by the average of the absolute differences.", "mae"),
        ("Judged by the average of the absolute percentage errors.", "mape"),
        ("Bewertet wird die Fläche unter der ROC-Kurve.", "auc_roc"),
        ("Bewertet wird die mittlere absolute Abweichung.", "mae"),
        ("Metrik: mittlerer quadratischer Fehler.", "mse"),
        ("La métrica de evaluación es el área bajo la curva ROC.", "auc_roc"),
        ("Métrica: error absoluto medio.", "mae"),
        ("Se evalúa la raíz del error cuadrático medio.", "rmse"),
        ("Clasificar las filas. Exactitud.", "accuracy"),
        ("Métrique : erreur absolue moyenne.", "mae"),
        ("Métrique : l'erreur quadratique moyenne.", "mse"),
        ("Métrique : exactitude.", "accuracy"),
        ("评价指标:均方根误差(越小越好)。", "rmse"),
        ("评价指标为平均绝对误差。", "mae"),
        ("使用准确率评估。", "accuracy"),
        ("指标为RMSE越小越好", "rmse"),
    ],
)  # fmt: skip
def test_the_metric_is_found_alone_told_in_words_or_in_another_language(text: str, name: str | None) -> None:
    assert find_metric(text) == name


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("Área bajo la curva ROC", "auc_roc"), ("均方根误差", "rmse"), ("harmonic mean of precision and recall", "f1")],
)
def test_a_name_in_words_or_in_another_language_is_a_spelling(name: str, canonical: str) -> None:
    assert resolve_metric(name).name == canonical


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("pinball loss at 0.9", "pinball@0.9"),
        ("quantile loss (q = 0.9)", "pinball@0.9"),
        ("0.05 quantile loss", "pinball@0.05"),
        ("pinball loss, alpha=0.1", "pinball@0.1"),
        ("pinball@0.9", "pinball@0.9"),
        ("pinball loss for the 95th percentile", "pinball@0.95"),
        ("pinball loss", "pinball"),
    ],
)
def test_a_pinball_loss_is_of_its_quantile(name: str, canonical: str) -> None:
    metric = resolve_metric(name)
    assert (metric.name, metric.predicts) == (canonical, "values")


READ_WHOLE = {
    "quadratic_kappa": [
        "Cohen's kappa (quadratic)", "cohen_kappa (weights=quadratic)", "cohen_kappa_score(weights='quadratic')",
        "quadratic weighted kappa (QWK)",
    ],
    "f1_macro": ["F-score (macro)", "f1_score(y_true, y_pred, average='macro')", "F-measure (macro-averaged)"],
    "f1_weighted": ["F-measure (weighted)", "sklearn.metrics.f1_score(average='weighted')"],
    "f1": ["F1 (harmonic mean of precision and recall)", "F1 (positive = yes)", "f1_score(pos_label='yes')", "F1.0"],
    "f2": ["F-beta (beta=2)", "fbeta_score(beta=2)", "F-beta score (F2)", "F2 (beta=2)"],
    "balanced_accuracy": ["accuracy (balanced)", "balanced accuracy (accuracy)"],
    "accuracy": ["accuracy (%)", "Genauigkeit (accuracy)", "accuracy (1 - error rate)", "accuracy (higher is better)"],
    "accuracy@5": ["accuracy (top-5)", "top 5 acc", "top_k_accuracy_score(k=5)"],
    "error_rate@5": ["top-5 error", "top-5 error rate", "top-5 classification error"],
    "error_rate": ["binary_error", "multi_error", "merror"],
    "rmsle": ["RMSE (log)", "log RMSE", "rmse_log", "RMSE of log", "RMSLE (RMSE of the logarithms)"],
    "rmse": [
        "Root Mean Squared Error (RMSE)", "RMSE (root of the mean squared error)", "RMSE (minimize)", "RMS error",
        "mean_squared_error(squared=False)", "均方根误差 (RMSE)",
    ],
    "mse": ["l2", "mean_squared_error(squared=True)"],
    "mae": ["l1", "MAE (in minutes)", "MAE (in 1000 EUR)"],
    "wmae": ["MAE (weighted)"],
    "smape": ["MAPE (symmetric)"],
    "map@5": [
        "Mean Average Precision (MAP@5)", "MAP (k=5)", "MAP (5)", "map@k=5", "Mean Average Precision at K=5", "map5",
        "MAP@K (K=5)", "MAP@K (MAP@5)", "MAP@k, where k = 5", "MAP@5 (higher is better)",
    ],
    "map@k": ["mapk"],
    "ndcg@10": ["NDCG (k=10)", "ndcg10"],
    "average_precision": ["avg precision", "AP", "AUC (PR)", "Area Under the Precision-Recall Curve (AUC)"],
    "auc_roc": [
        "Area Under the Curve (AUC)", "AUC (between 0 and 1)", "Score (AUC)", "AUC_weighted", "roc_auc_ovr",
        "roc_auc_ovr_weighted", "roc_auc_score(multi_class='ovr', average='macro')",
    ],
    "log_loss": [
        "log loss (lower is better)", "BCE", "binary cross entropy", "binary_crossentropy", "multi_logloss",
        "binary_logloss",
    ],
    "pearson": ["PCC"],
    "mean_columnwise_rmse": ["RMSE (column-wise)"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "written"), [(name, s) for name, each in READ_WHOLE.items() for s in each])
def test_what_stands_in_brackets_belongs_to_the_name(name: str, written: str) -> None:
    assert resolve_metric(written).name == name


@pytest.mark.parametrize(
    "name",
    [
        "F1 (beta=2)", "F1 (2)", "f1_score(average=None)", "Cohen's kappa (linear)",
        "cohen_kappa_score(weights='linear')",
        "precision (micro)", "accuracy (weighted)", "R2 (adjusted)", "MAE (median)", "huber (delta=2)",
        "MAP (IoU 0.5)", "mAP@[.5:.95]", "map@3 (k=5)", "Mean Squared Error (RMSE)", "RMSE (accuracy)",
        "Weighted root mean squared error (RMSE)", "Root Mean Squared Error (RMSE) of log prices",
    ],
)  # fmt: skip
def test_a_variant_that_is_not_known_is_not_taken_for_the_metric_itself(name: str) -> None:
    assert recognise(name) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("evaluated via roc_auc_score", "auc_roc"),
        ("Evaluated via `sklearn.metrics.roc_auc_score`.", "auc_roc"),
        ("evaluated with f1_score(average='macro')", "f1_macro"),
        ('evaluated with `f1_score(y_true, y_pred, average="weighted")`.', "f1_weighted"),
        ("scored with precision_score(average='macro')", "precision_macro"),
        ("scored with recall_score(average='micro')", None),
        ("Scored with accuracy_score", "accuracy"),
        ("Scored with top_k_accuracy_score(k=5)", "accuracy@5"),
        ("scored by cohen_kappa_score(weights='quadratic')", "quadratic_kappa"),
        ("scored by cohen_kappa_score(weights='linear')", None),
        ("Evaluated by mean_absolute_error", "mae"),
        ("Evaluated by neg_mean_absolute_error", "mae"),
        ("metric: mean_squared_error(squared=False)", "rmse"),
        ("metric: brier_score_loss", "brier"),
        ("metric: hamming_loss", "hamming_loss"),
        ("metric: dice_loss", None),
        ("The column accuracy_score_old is a number.", None),
    ],
)
def test_a_metric_of_scikit_learn_is_found_as_it_is_called(text: str, name: str | None) -> None:
    assert find_metric(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Metric: accuracy (balanced)", "balanced_accuracy"),
        ("Metric: F-score (macro)", "f1_macro"),
        ("Metric: RMSE (log)", "rmsle"),
        ("Metric: RMSE (lower is better)", "rmse"),
        ("Metric: Mean Average Precision (MAP@5)", "map@5"),
        ("Metric: MAP (k=5)", "map@5"),
        ("Metric: MAP5", "map@5"),
        ("Metric: top-5 error", "error_rate@5"),
        ("Metric: F1 (beta=2)", None),
        ("Trained with an L2 penalty, on the AP of others. Metric: RMSE - log loss is shown too.", "rmse"),
    ],
)
def test_what_stands_in_brackets_behind_a_metric_is_read_with_it(text: str, name: str | None) -> None:
    assert find_metric(text) == name


def test_missing_facts_keep_their_fields_between_processes() -> None:
    error = pickle.loads(pickle.dumps(MissingFacts(("target", "test_file"))))
    assert error.fields == ("target", "test_file")
    assert "TaskDescription(target=...)" in str(error)
