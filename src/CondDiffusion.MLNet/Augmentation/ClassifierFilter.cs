using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Augmentation;

/// <summary>Asks a classifier whether generated images show their labels.</summary>
internal sealed class ClassifierFilter
{
    private const float Rounding = 1e-3f; // of a probability

    private readonly ITransformer _classifier;
    private readonly AugmentationOptions _options;
    private readonly AugmentedColumns _columns;

    /// <param name="classifier">The classifier.</param>
    /// <param name="options">Its columns, and the least probability.</param>
    /// <param name="columns">The columns of the rows that it is given.</param>
    /// <param name="labels">The labels that images are generated of.</param>
    /// <param name="hasValues">Whether the labels of the data have values, not only the numbers of keys.</param>
    /// <exception cref="ArgumentException">
    /// The classifier does not add the columns, does not know a label, or has labels that cannot be compared with those
    /// of the data.
    /// </exception>
    public ClassifierFilter(
        ITransformer classifier,
        AugmentationOptions options,
        AugmentedColumns columns,
        IEnumerable<string> labels,
        bool hasValues)
    {
        _classifier = classifier;
        _options = options;
        _columns = columns;

        var schema = classifier.GetOutputSchema(columns.Schema);
        var predicted = new LabelReader(Find(schema, options.PredictedLabelColumnName), "classified");
        if (predicted.HasValues != hasValues)
        {
            throw new ArgumentException(
                $"Column '{predicted.Name}' of the classifier has {Describe(!hasValues)}, and the labels of the data " +
                $"have {Describe(hasValues)}: they cannot be compared.");
        }

        if (predicted.Values is { } known && labels.Except(known).FirstOrDefault() is { } unknown)
        {
            throw new ArgumentException(
                $"Column '{predicted.Name}' of the classifier has {new LabelVocabulary(known.Count, known)}, but not " +
                $"'{unknown}', of which images are to be generated: all would be refused.");
        }

        var score = Find(schema, options.ScoreColumnName);
        if (score.Type is not VectorDataViewType { ItemType: NumberDataViewType { RawType: var type } } ||
            type != typeof(float))
        {
            throw new ArgumentException(
                $"Column '{score.Name}' of the classifier must hold vectors of Single, but is of type {score.Type}.");
        }
    }

    /// <summary>Returns, for each row, whether the classifier sees its label.</summary>
    /// <exception cref="InvalidOperationException">
    /// The classifier gives scores that are no probabilities, or fewer rows.
    /// </exception>
    public bool[] Judge(IReadOnlyList<GeneratedRow> rows)
    {
        var view = _classifier.Transform(new GeneratedRowsView(_columns, rows));
        var label = view.Schema[_options.PredictedLabelColumnName];
        var score = view.Schema[_options.ScoreColumnName];
        using var cursor = view.GetRowCursor([label, score]);
        var readLabel = new LabelReader(label, "classified").CreateGetter(cursor);
        var getScores = cursor.GetGetter<VBuffer<float>>(score);
        VBuffer<float> scores = default;
        var agrees = new bool[rows.Count];
        for (var i = 0; i < rows.Count; i++)
        {
            if (!cursor.MoveNext())
                throw new InvalidOperationException($"The classifier gave {i} rows for {rows.Count} images.");

            getScores(ref scores);
            agrees[i] = readLabel() == rows[i].Label && MaxProbability(score.Name, scores) >= _options.LeastProbability;
        }

        return agrees;
    }

    private static float MaxProbability(string column, in VBuffer<float> scores)
    {
        var most = 0f;
        foreach (var value in scores.DenseValues())
        {
            if (!(value is >= -Rounding and <= 1 + Rounding))
            {
                throw new InvalidOperationException(
                    $"Column '{column}' of the classifier must hold probabilities, from 0 to 1, but has {value}.");
            }

            most = Math.Max(most, value);
        }

        return most;
    }

    private static string Describe(bool hasValues) => hasValues ? "values" : "only numbers of keys";

    private static DataViewSchema.Column Find(DataViewSchema schema, string name) => schema.GetColumnOrNull(name)
        ?? throw new ArgumentException($"The classifier adds no column '{name}'.");
}
