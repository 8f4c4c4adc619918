using System.Globalization;
using System.Runtime.CompilerServices;
using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace CondDiffusion.MLNet.Model;

/// <summary>The labels that a key column can contain, and their values where the column has them.</summary>
/// <param name="Count">Number of labels; keys run from 1 to this.</param>
/// <param name="Values">
/// Value of each key as text, in the order of the keys; null where the column has no values.
/// </param>
/// <param name="Kind">Kind of the values before they became text.</param>
internal sealed record LabelVocabulary(int Count, IReadOnlyList<string>? Values, DataKind Kind = DataKind.String)
{
    // The annotation in which the output columns of ML.NET's scorers have the values of the label column.
    private const string TrainingLabelValues = "TrainingLabelValues";

    // The annotation in which a vector column has a text for each of its values.
    private const string SlotNames = "SlotNames";

    // Every Transform binds the model to its input, mostly the same one: the values are parsed once, and forgotten with
    // their annotations.
    private static readonly ConditionalWeakTable<DataViewSchema.Annotations, LabelVocabulary> Parsed = new();

    private Dictionary<string, int>? _rows;
    private DataViewSchema.Annotations? _annotations;

    /// <summary>Reads the vocabulary of a key column.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The column has more keys than a model can have labels.</exception>
    public static LabelVocabulary Read(IHost host, DataViewSchema.Column column)
    {
        var keys = ((KeyDataViewType)column.Type).Count;
        if (keys > ModelLimits.Size)
        {
            throw MLNetInternals.WrongColumn(
                host, "label", column.Name, $"a key of at most {ModelLimits.Size} values", $"one of {keys}");
        }

        return LabelReader.FindKind(column) is { } kind
            ? Parsed.GetValue(column.Annotations, annotations => Parse(annotations, (int)keys, kind))
            : new((int)keys, null);
    }

    private static LabelVocabulary Parse(DataViewSchema.Annotations annotations, int keys, DataKind kind) =>
        new(keys, LabelReader.ReadValues(annotations, kind), kind);

    /// <summary>Returns the annotations that the generated columns will have; null for none.</summary>
    /// <param name="label">Shape of the label column of the training data.</param>
    public static SchemaShape? Promise(SchemaShape.Column label) => Promise(label, TrainingLabelValues, type => type);

    /// <summary>Returns the annotations that a column of predicted labels will have; null for none.</summary>
    /// <param name="label">Shape of the label column of the training data.</param>
    public static SchemaShape? PromiseKeys(SchemaShape.Column label) =>
        Promise(label, LabelReader.KeyValues, type => type);

    /// <summary>
    /// Returns the annotations that a vector with a value for each label will have; null for none.
    /// </summary>
    /// <param name="label">Shape of the label column of the training data.</param>
    public static SchemaShape? PromiseSlots(SchemaShape.Column label) =>
        Promise(label, SlotNames, _ => TextDataViewType.Instance);

    private static SchemaShape? Promise(
        SchemaShape.Column label, string annotation, Func<DataViewType, DataViewType> type) =>
        label.Annotations.FirstOrDefault(annotation => annotation.Name == LabelReader.KeyValues)
            is { Kind: SchemaShape.Column.VectorKind.Vector } values
        && LabelKind.FindName(values.ItemType) is not null
            ? new([MLNetInternals.Column(annotation, values.Kind, type(values.ItemType))])
            : null;

    /// <summary>Returns the annotations of the generated columns: the label values in their original kind.</summary>
    public DataViewSchema.Annotations? ToAnnotations() => _annotations ??= Annotate(TrainingLabelValues, Kind);

    /// <summary>Returns the annotations of a column of predicted labels: their values in the original kind.</summary>
    public DataViewSchema.Annotations? ToKeyAnnotations() => Annotate(LabelReader.KeyValues, Kind);

    /// <summary>Returns the annotations of a vector with a value for each label: the labels as text.</summary>
    public DataViewSchema.Annotations? ToSlotAnnotations() => Annotate(SlotNames, DataKind.String);

    private DataViewSchema.Annotations? Annotate(string name, DataKind kind)
    {
        if (Values is null) return null;

        var annotations = new DataViewSchema.Annotations.Builder();
        LabelKind.Find(kind)!.Write(annotations, name, Values);
        return annotations.ToAnnotations();
    }

    /// <summary>Adds what is wrong with a vocabulary that was read from a file.</summary>
    public void Check(OptionErrors errors)
    {
        errors.Positive(Count, ModelLimits.Size);
        if (Values is null) return;

        errors.Check(Values.Count == Count, nameof(Values), $"{Count} texts, one for each label", Values.Count);
        errors.Check(!Values.Contains(null!), nameof(Values), "a text for each label", "null for one of them");
        errors.Check(LabelKind.Find(Kind) is not null, nameof(Kind), "the kind of a text, a boolean or a number", Kind);
        if (errors.Text is null) CheckKind(errors);
    }

    private void CheckKind(OptionErrors errors)
    {
        try
        {
            ToAnnotations();
        }
        catch (Exception exception) when (exception is FormatException or OverflowException)
        {
            errors.Check(false, nameof(Values), $"texts of the kind {Kind}", $"not: {exception.Message.TrimEnd('.')}");
        }
    }

    /// <summary>Whether each key has the same value in both, as far as both have values.</summary>
    public bool Matches(LabelVocabulary other) =>
        Count == other.Count && (Values is null || other.Values is null || Values.SequenceEqual(other.Values));

    /// <summary>Returns the label row of a value, or of a key's number where there are no values.</summary>
    /// <exception cref="ArgumentException">The model has no such label.</exception>
    public int IndexOf(string label)
    {
        var row = Values is null ? RowOfNumber(label) : RowOfValue(Values, label);
        return row ?? throw new ArgumentException($"'{label}' is not one of the model's {this}.", nameof(label));
    }

    private int? RowOfNumber(string label)
    {
        var isNumber = int.TryParse(label, NumberStyles.None, CultureInfo.InvariantCulture, out var key);
        var isKey = isNumber && key >= 1 && key <= Count && !label.StartsWith('0');
        return isKey ? key - 1 : null;
    }

    private int? RowOfValue(IReadOnlyList<string> values, string label)
    {
        if (_rows is null)
        {
            // Of equal values, the first counts.
            var rows = new Dictionary<string, int>(values.Count, StringComparer.Ordinal);
            for (var i = 0; i < values.Count; i++) rows.TryAdd(values[i], i);
            _rows = rows;
        }

        return _rows.TryGetValue(label, out var row) ? row : null;
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        const int Shown = 12;
        if (Values is null) return $"{Count} labels";

        return $"{Count} labels ({string.Join(", ", Values.Take(Shown))}{(Values.Count > Shown ? ", ..." : "")})";
    }
}
