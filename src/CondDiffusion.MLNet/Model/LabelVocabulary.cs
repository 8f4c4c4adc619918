using System.Globalization;
using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace CondDiffusion.MLNet.Model;

/// <summary>The labels that a key column can hold: how many, and where the column says so, what each key stands for.</summary>
/// <param name="Count">Keys run from 1 to this.</param>
/// <param name="Values">The value of each key as text, in the keys' order; null where the column does not say.</param>
/// <param name="Kind">What the values were before they became text.</param>
internal sealed record LabelVocabulary(int Count, IReadOnlyList<string>? Values, DataKind Kind = DataKind.String)
{
    /// <summary>The most labels a model can have: each has a row in the label table.</summary>
    public const int Most = 1 << 24;

    // The annotation in which key columns carry their values, and the one in which ML.NET's scorers pass on those of the label column.
    private const string KeyValues = "KeyValues", TrainingLabelValues = "TrainingLabelValues";

    /// <summary>Reads the vocabulary of a key column.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It has more keys than a model can have labels.</exception>
    public static LabelVocabulary Of(IHost host, DataViewSchema.Column column)
    {
        var keys = ((KeyDataViewType)column.Type).Count;
        if (keys > Most) throw MLNetInternals.WrongColumn(host, "label", column.Name, $"a key of at most {Most} values", $"one of {keys}");

        var type = column.Annotations.Schema.GetColumnOrNull(KeyValues)?.Type as VectorDataViewType;
        return type?.Size == (int)keys && LabelKind.FindName(type.ItemType) is { } kind
            ? new((int)keys, LabelKind.Find(kind)!.Read(column.Annotations, KeyValues), kind)
            : new((int)keys, null);
    }

    /// <summary>The annotations that the generated columns will have, where the label column of the training data has this shape.</summary>
    public static SchemaShape? Promise(SchemaShape.Column label) =>
        label.Annotations.FirstOrDefault(annotation => annotation.Name == KeyValues) is { Kind: SchemaShape.Column.VectorKind.Vector } values
        && LabelKind.FindName(values.ItemType) is not null
            ? new([MLNetInternals.Column(TrainingLabelValues, values.Kind, values.ItemType)])
            : null;

    /// <summary>The annotations of the generated columns: the values of the labels, as the key column had them.</summary>
    public DataViewSchema.Annotations? ToAnnotations()
    {
        if (Values is null) return null;
        var annotations = new DataViewSchema.Annotations.Builder();
        LabelKind.Find(Kind)!.Write(annotations, TrainingLabelValues, Values);
        return annotations.ToAnnotations();
    }

    /// <summary>What is wrong with a vocabulary that was read from a file; null if nothing is.</summary>
    public string? Error()
    {
        if (Values is null) return null;
        if (Values.Count != Count) return $"there are {Count} labels, but {Values.Count} values";
        if (Values.Contains(null!)) return "a label is null";
        if (LabelKind.Find(Kind) is null) return $"labels cannot be of the kind {Kind}";
        try
        {
            ToAnnotations();
            return null;
        }
        catch (Exception exception) when (exception is FormatException or OverflowException)
        {
            return $"a label is none of the kind {Kind}: {exception.Message}";
        }
    }

    /// <summary>Whether both agree on what each key means, as far as both say.</summary>
    public bool Matches(LabelVocabulary other) =>
        Count == other.Count && (Values is null || other.Values is null || Values.SequenceEqual(other.Values));

    /// <summary>The row of the label table for a value, or for a key's number where values are unknown.</summary>
    /// <exception cref="ArgumentException">There is no such label.</exception>
    public int IndexOf(string label)
    {
        for (var i = 0; i < Count; i++)
            if (label == (Values?[i] ?? (i + 1).ToString(CultureInfo.InvariantCulture))) return i;
        throw new ArgumentException($"'{label}' is none of the model's {this}.", nameof(label));
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        const int Shown = 12;
        if (Values is null) return $"{Count} labels";
        return $"{Count} labels ({string.Join(", ", Values.Take(Shown))}{(Values.Count > Shown ? ", ..." : "")})";
    }
}
