using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>The columns of a view that an evaluation reads, in one pass over the rows.</summary>
internal sealed class FeatureReader
{
    private readonly IDataView _data;
    private readonly string _view;
    private readonly DataViewSchema.Column _feature;

    /// <param name="data">The view.</param>
    /// <param name="view">The view's part in the evaluation, for messages.</param>
    /// <param name="features">Name of the column of features.</param>
    /// <param name="labels">Name of the column of labels; null for none.</param>
    /// <param name="predicted">Name of the column of predicted labels; null for none.</param>
    /// <exception cref="ArgumentException">A column is missing or of the wrong type.</exception>
    public FeatureReader(IDataView data, string view, string features, string? labels, string? predicted)
    {
        _data = data;
        _view = view;
        _feature = EvaluatedColumn.Find(data, view, features, "feature");
        if (_feature.Type is not VectorDataViewType { Size: > 0 } type || type.ItemType != NumberDataViewType.Single)
        {
            throw new ArgumentException(
                $"Column '{features}' of the {view} data must be a vector of known size of Single, but is of type " +
                $"{_feature.Type}.",
                view);
        }

        Size = type.Size;
        Label = labels is null ? null : new(EvaluatedColumn.Find(data, view, labels, "label"), view);
        Predicted = predicted is null
            ? null
            : new(EvaluatedColumn.Find(data, view, predicted, "predicted label"), view);
    }

    /// <summary>Gets the view's part in the evaluation.</summary>
    public string View => _view;

    /// <summary>Gets the name of the column of features.</summary>
    public string FeatureName => _feature.Name;

    /// <summary>Gets the number of features of a row.</summary>
    public int Size { get; }

    /// <summary>Gets the column of labels; null for none.</summary>
    public LabelReader? Label { get; }

    /// <summary>Gets the column of predicted labels; null for none.</summary>
    public LabelReader? Predicted { get; }

    /// <summary>Reads every row.</summary>
    /// <param name="checkAlive">Called for each row; it throws to stop the reading.</param>
    /// <exception cref="InvalidOperationException">
    /// There are no rows, or a row's label is missing, or its features are not finite or of another number.
    /// </exception>
    public EvaluatedRows Read(Action checkAlive)
    {
        var needed = _data.Schema.Where(
            column => column.Index == _feature.Index || IsNamed(column, Label) || IsNamed(column, Predicted));
        using var cursor = _data.GetRowCursor(needed);
        var getFeatures = cursor.GetGetter<VBuffer<float>>(_feature);
        var getLabel = Label?.CreateGetter(cursor);
        var getPredicted = Predicted?.CreateGetter(cursor);

        VBuffer<float> features = default;
        var row = new float[Size];
        var rows = new RowChunks(Size);
        var labels = new List<string>();
        var predicted = new List<string>();
        var hashes = new List<UInt128>();
        while (cursor.MoveNext())
        {
            checkAlive();
            getFeatures(ref features);
            if (features.Length != Size) throw Bad(_feature.Name, $"has {features.Length} values in place of {Size}");

            features.CopyTo(row);
            CheckFinite();
            rows.Add(row);
            hashes.Add(RowChunks.Hash(row));

            if (getLabel is not null) labels.Add(getLabel());
            if (getLabel is not null && labels[^1].Length == 0) throw Bad(Label!.Name, "has no label");
            if (getPredicted is not null) predicted.Add(getPredicted());
        }

        if (hashes.Count == 0) throw new InvalidOperationException($"The {_view} data has no rows.");

        return new(
            _view,
            rows,
            getLabel is null ? null : [.. labels],
            getPredicted is null ? null : [.. predicted],
            [.. hashes]);

        void CheckFinite()
        {
            for (var i = 0; i < row.Length; i++)
            {
                if (!float.IsFinite(row[i])) throw Bad(_feature.Name, $"has {row[i]} as its value {i}");
            }
        }

        InvalidOperationException Bad(string column, string what) =>
            new($"Row {cursor.Position} of the {_view} data: column '{column}' {what}.");
    }

    private static bool IsNamed(DataViewSchema.Column column, LabelReader? label) =>
        !column.IsHidden && column.Name == label?.Name;
}
