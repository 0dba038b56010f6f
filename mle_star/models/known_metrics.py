"""The metrics that are well known, under the names people give them: which way is better, and what they judge."""

from __future__ import annotations

from typing import NamedTuple

from mle_star.models.metric import Predicts

UP, DOWN = True, False


class Known(NamedTuple):
    """One well-known metric."""

    maximize: bool
    predicts: Predicts
    spellings: str
    """Separated by `|`; matched whatever the case, the punctuation, and words such as `score` or `the`."""


KNOWN: dict[str, Known] = {
    # probabilities of classes
    "auc_roc": Known(
        UP,
        "probabilities",
        "auc|roc auc|auc roc|auroc|rocauc|area under roc|area under roc curve|area under curve|roc auc ovr|roc auc ovo|"
        "area under receiver operating characteristic|area under receiver operating characteristic curve|"
        "area under receiver operating curve|area under receiver operator characteristic curve|macro auc|macro roc auc|"
        "macro averaged roc auc|weighted roc auc|c statistic|auc macro|roc auc macro|auc weighted|weighted auc|"
        "roc auc weighted|roc auc ovr weighted|roc auc ovo weighted",
    ),
    "log_loss": Known(
        DOWN,
        "probabilities",
        "log loss|logloss|logarithmic loss|multiclass log loss|multi class log loss|mlogloss|multiclass logloss|"
        "multi class logarithmic loss|multiclass logarithmic loss|binary log loss|cross entropy|cross entropy loss|"
        "crossentropy|binary cross entropy|categorical cross entropy|multiclass cross entropy|"
        "multi class cross entropy|"
        "negative log likelihood|nll|log likelihood loss|weighted log loss|weighted multiclass log loss|"
        "multi class weighted log loss|weighted logarithmic loss|bce|bce loss|"
        "binary logloss|multi logloss|multi log loss",
    ),
    "brier": Known(DOWN, "probabilities", "brier|brier loss"),
    "average_precision": Known(
        UP,
        "probabilities",
        "average precision|pr auc|auc pr|aupr|auprc|area under precision recall curve|area under pr curve|"
        "precision recall auc|avg precision|ap|area under precision recall curve auc|area under pr curve auc",
    ),
    "gini": Known(
        UP,
        "probabilities",
        "gini|normalized gini|normalised gini|gini coefficient|normalized gini coefficient|gini index",
    ),
    "kl_divergence": Known(DOWN, "probabilities", "kl divergence|kullback leibler divergence|kullback leibler"),
    "eer": Known(DOWN, "probabilities", "eer|equal error rate"),
    # labels
    "accuracy": Known(
        UP,
        "labels",
        "accuracy|acc|classification accuracy|categorization accuracy|categorisation accuracy|multiclass accuracy|"
        "percentage of correct predictions|percent correct|proportion correct|subset accuracy|percentage correct|"
        "share of correct predictions|fraction of correct predictions|proportion of correct predictions",
    ),
    "balanced_accuracy": Known(
        UP,
        "labels",
        "balanced accuracy|balanced acc|bacc|mean per class accuracy|mean class accuracy|unweighted average recall|uar",
    ),
    "f1": Known(UP, "labels", "f1|f measure|f one|binary f1|f1 binary|fscore|f score|f"),
    "f1_macro": Known(
        UP,
        "labels",
        "f1 macro|macro f1|macro averaged f1|macro average f1|f1 macro averaged|macro f measure|macrof1|"
        "f macro|macro f|fscore macro|macro fscore",
    ),
    "f1_micro": Known(
        UP,
        "labels",
        "f1 micro|micro f1|micro averaged f1|micro average f1|f1 micro averaged|micro f measure|microf1|"
        "f micro|micro f|fscore micro|micro fscore",
    ),
    "f1_weighted": Known(
        UP,
        "labels",
        "f1 weighted|weighted f1|weighted averaged f1|weighted average f1|support weighted f1|"
        "f weighted|weighted f|fscore weighted|weighted fscore",
    ),
    "f1_samples": Known(UP, "labels", "f1 samples|samples f1|sample averaged f1|example based f1"),
    "precision": Known(UP, "labels", "precision|positive predictive value|ppv"),
    "precision_macro": Known(UP, "labels", "precision macro|macro precision|macro averaged precision"),
    "precision_weighted": Known(UP, "labels", "precision weighted|weighted precision"),
    "recall": Known(UP, "labels", "recall|sensitivity|true positive rate|tpr|hit recall"),
    "recall_macro": Known(UP, "labels", "recall macro|macro recall|macro averaged recall"),
    "recall_weighted": Known(UP, "labels", "recall weighted|weighted recall"),
    "specificity": Known(UP, "labels", "specificity|true negative rate|tnr|selectivity"),
    "mcc": Known(
        UP, "labels", "mcc|matthews correlation|matthews correlation coefficient|matthews corrcoef|phi coefficient"
    ),
    "quadratic_kappa": Known(
        UP,
        "labels",
        "quadratic kappa|quadratic weighted kappa|quadratically weighted kappa|qwk|weighted kappa|"
        "quadratic cohen kappa|"
        "quadratic weighted cohen kappa|cohen kappa quadratic|quadratic weighted cohens kappa|"
        "cohens kappa with quadratic weights|cohen kappa with quadratic weights|cohens kappa quadratic|"
        "quadratic cohens kappa|kappa quadratic",
    ),
    "kappa": Known(UP, "labels", "kappa|cohen kappa|cohens kappa|cohen s kappa|cohen kappa coefficient"),
    "error_rate": Known(
        DOWN,
        "labels",
        "error rate|classification error|misclassification|misclassification rate|misclassification error|"
        "zero one loss|0 1 loss|binary error|multi error|merror",
    ),
    "hamming_loss": Known(DOWN, "labels", "hamming loss|hamming distance|hamming"),
    "jaccard": Known(
        UP, "labels", "jaccard|jaccard index|jaccard similarity|iou|intersection over union|miou|jaccard coefficient"
    ),
    "dice": Known(
        UP,
        "labels",
        "dice|dice coefficient|sorensen dice|dice similarity|dice similarity coefficient|sorensen dice coefficient",
    ),
    "exact_match": Known(UP, "labels", "exact match|exact match ratio"),
    "g_mean": Known(UP, "labels", "g mean|gmean|geometric mean of sensitivity and specificity"),
    "youden": Known(UP, "labels", "youden|youden j|youdens j|informedness"),
    # numbers
    "rmse": Known(
        DOWN,
        "values",
        "rmse|root mean squared error|root mean square error|root mean squared deviation|rmsd|"
        "root mean square deviation|"
        "root of mean squared error|root squared error|rms error|rms",
    ),
    "mse": Known(
        DOWN, "values", "mse|mean squared error|mean square error|squared error|l2 loss|l2|mean squared deviation"
    ),
    "mae": Known(
        DOWN,
        "values",
        "mae|mean absolute error|mean absolute deviation|absolute error|l1 loss|l1|average absolute error",
    ),
    "medae": Known(DOWN, "values", "medae|median absolute error|med ae|mdae"),
    "mape": Known(
        DOWN, "values", "mape|mean absolute percentage error|mean absolute percent error|absolute percentage error"
    ),
    "smape": Known(
        DOWN,
        "values",
        "smape|symmetric mean absolute percentage error|symmetric mape|symmetric mean absolute percent error",
    ),
    "wmape": Known(
        DOWN,
        "values",
        "wmape|wape|weighted mape|weighted mean absolute percentage error|weighted absolute percentage error",
    ),
    "wmae": Known(DOWN, "values", "wmae|weighted mae|weighted mean absolute error"),
    "rmsle": Known(
        DOWN,
        "values",
        "rmsle|root mean squared log error|root mean squared logarithmic error|root mean square log error|"
        "root mean square logarithmic error|rmsle error|root mean squared log10 error|log rmse|rmse log|rmse of logs|"
        "rmse log scale|log scale rmse",
    ),
    "msle": Known(
        DOWN,
        "values",
        "msle|mean squared log error|mean squared logarithmic error|mean square log error|log mse|mse log",
    ),
    "male": Known(DOWN, "values", "male error|mean absolute log error|mean absolute logarithmic error|log mae|mae log"),
    "rmspe": Known(DOWN, "values", "rmspe|root mean square percentage error|root mean squared percentage error"),
    "nrmse": Known(DOWN, "values", "nrmse|normalized rmse|normalised rmse|normalized root mean squared error"),
    "mase": Known(DOWN, "values", "mase|mean absolute scaled error"),
    "rmsse": Known(DOWN, "values", "rmsse|root mean squared scaled error"),
    "wrmsse": Known(DOWN, "values", "wrmsse|weighted root mean squared scaled error"),
    "rae": Known(DOWN, "values", "rae|relative absolute error"),
    "max_error": Known(DOWN, "values", "max error|maximum error|maximum absolute error|max absolute error"),
    "pinball": Known(DOWN, "values", "pinball|pinball loss|quantile loss|mean pinball loss|quantile pinball loss"),
    "weighted_pinball": Known(
        DOWN, "values", "weighted pinball|weighted pinball loss|weighted scaled pinball loss|wspl"
    ),
    "crps": Known(DOWN, "values", "crps|continuous ranked probability"),
    "huber": Known(DOWN, "values", "huber|huber loss"),
    "log_cosh": Known(DOWN, "values", "log cosh|logcosh"),
    "poisson_deviance": Known(DOWN, "values", "poisson deviance|mean poisson deviance|poisson loss"),
    "gamma_deviance": Known(DOWN, "values", "gamma deviance|mean gamma deviance"),
    "r2": Known(
        UP,
        "values",
        "r2|r squared|r square|rsquared|r 2|coefficient of determination|determination coefficient|r sq|rsq",
    ),
    "explained_variance": Known(UP, "values", "explained variance|explained variance ratio|variance explained"),
    "spearman": Known(
        UP,
        "values",
        "spearman|spearman correlation|spearman rank correlation|spearmans rank correlation|"
        "spearman s rank correlation|"
        "spearmans correlation|spearman s correlation|spearman rho|spearman s rho|rank correlation|spearmanr|"
        "spearman correlation coefficient|spearman rank correlation coefficient|spearmans rank correlation coefficient|"
        "spearman s rank correlation coefficient|spearman s correlation coefficient|spearmans correlation coefficient",
    ),
    "pearson": Known(
        UP,
        "values",
        "pearson|pearson correlation|pearson r|pearsonr|pearson correlation coefficient|pearsons correlation|"
        "pearson s correlation|pearsons r|pearson s r|pearson s correlation coefficient|linear correlation|pcc",
    ),
    "kendall": Known(UP, "values", "kendall|kendall tau|kendalls tau|kendall s tau|kendall rank correlation"),
    "concordance_index": Known(
        UP, "values", "concordance index|c index|cindex|concordance|harrell c index|harrells c index|harrell s c index"
    ),
    "ccc": Known(UP, "values", "ccc|concordance correlation coefficient|lin s concordance correlation coefficient"),
    "cosine_similarity": Known(UP, "values", "cosine similarity"),
    # ranked items, text
    "map": Known(UP, "ranking", "map|mean average precision"),
    "ndcg": Known(UP, "ranking", "ndcg|normalized discounted cumulative gain|normalised discounted cumulative gain"),
    "mrr": Known(UP, "ranking", "mrr|mean reciprocal rank|reciprocal rank"),
    "hit_rate": Known(UP, "ranking", "hit rate|hr|hits|hit ratio"),
    "bleu": Known(UP, "ranking", "bleu"),
    "rouge": Known(UP, "ranking", "rouge|rouge l|rouge 1|rouge 2"),
    "wer": Known(DOWN, "ranking", "wer|word error rate"),
    "cer": Known(DOWN, "ranking", "cer|character error rate"),
    "levenshtein": Known(
        DOWN,
        "ranking",
        "levenshtein|levenshtein distance|edit distance|mean levenshtein distance|normalized levenshtein distance",
    ),
    "perplexity": Known(DOWN, "ranking", "perplexity"),
}

_ERRORS = r"(?:the )?(?:errors?|differences?|deviations?|residuals?)"
_MEAN = r"(?:mean|average)(?: of)?(?: the)?"

WORDED: tuple[tuple[str, str], ...] = (
    ("f1", r"harmonic (?:mean|average) of (?:the )?(?:precision and (?:the )?recall|recall and (?:the )?precision)"),
    (
        "accuracy",
        r"(?:percentage|percent|share|fraction|proportion|ratio|number) of (?:the |all |your )*(?:correctly \w+ \w+|"
        r"(?:\w+ ){1,4}?(?:(?:get|got|gets|is|are|was|were) (?:right|correct)\b|"
        r"correctly (?:predict|classif|label|guess)\w*|(?:predict|classif|label|guess)\w* (?:right|correctly)\b))|"
        r"exactitude?|(?:treffer|klassifikations)?genauigkeit|acur[aá]cia|acc?uratezza|准确率|正确率",
    ),
    ("rmse", rf"root of (?:the )?{_MEAN} squared? (?:of )?{_ERRORS}"),
    ("mse", rf"{_MEAN} squared (?:of )?{_ERRORS}"),
    (
        "mape",
        rf"{_MEAN} absolute percentage {_ERRORS}|error porcentual absoluto medio|"
        r"erreur absolue moyenne en pourcentage|平均绝对百分比误差",
    ),
    (
        "mae",
        rf"{_MEAN} absolute (?:value of )?{_ERRORS}|mittlere[rnsm]? absolute[rnsm]? (?:abweichung|fehlers?)|"
        r"error absoluto medio|erro absoluto médio|erreur (?:absolue moyenne|moyenne absolue)|errore assoluto medio|"
        r"平均绝对误差",
    ),
    (
        "rmse",
        r"wurzel (?:aus )?(?:dem |des |der )?mittleren quadrat(?:ischen|ischer) (?:fehlers?|abweichung)|"
        r"ra[ií]z (?:cuadrada )?del error cuadr[aá]tico medio|raiz do erro quadrático médio|"
        r"racine (?:carrée )?de l['’]erreur quadratique moyenne|均方根误差",
    ),
    (
        "mse",
        r"mittlere[rnsm]? quadratische[rnsm]? (?:abweichung|fehlers?)|error cuadr[aá]tico medio|erro quadrático médio|"
        r"erreur quadratique moyenne|均方误差",
    ),
    (
        "average_precision",
        r"fläche unter der precision[- ]recall[- ]kurve|[aá]rea bajo la curva (?:de )?precisi[oó]n[- ]recall",
    ),
    (
        "auc_roc",
        r"fläche unter der (?:roc[- ]?)?kurve|[aá]rea bajo la curva(?: roc)?(?! (?:de )?p)|"
        r"[aá]rea sob a curva(?: roc)?(?! (?:de )?p)|aire sous la courbe(?: roc)?(?! (?:de )?p)|(?:roc)?曲线下面积",
    ),
)
"""Metrics told in words, in English and in other languages, each as a pattern; of two that fit, the first is meant."""
