using System.Globalization;
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
    /// <summary>The maximum number of labels of a model. Each has a row in the label embedding table.</summary>
    public const int Most = 1 << 24;

    // The annotation in which a key column has its values.
    private const string KeyValues = "KeyValues";

    // The annotation in which the output columns of ML.NET's scorers have the values of the label column.
    private const string TrainingLabelValues = "TrainingLabelValues";

    /// <summary>Reads the vocabulary of a key column.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The column has more keys than a model can have labels.</exception>
    public static LabelVocabulary Read(IHost host, DataViewSchema.Column column)
    {
        var keys = ((KeyDataViewType)column.Type).Count;
        if (keys > Most)
            throw MLNetInternals.WrongColumn(
                host, "label", column.Name, $"a key of at most {Most} values", $"one of {keys}");

        var type = column.Annotations.Schema.GetColumnOrNull(KeyValues)?.Type as VectorDataViewType;
        return type?.Size == (int)keys && LabelKind.FindName(type.ItemType) is { } kind
            ? new((int)keys, LabelKind.Find(kind)!.Read(column.Annotations, KeyValues), kind)
            : new((int)keys, null);
    }

    /// <summary>Returns the annotations that the generated columns will have; null for none.</summary>
    /// <param name="label">Shape of the label column of the training data.</param>
    public static SchemaShape? Promise(SchemaShape.Column label) =>
        label.Annotations.FirstOrDefault(annotation => annotation.Name == KeyValues)
            is { Kind: SchemaShape.Column.VectorKind.Vector } values
        && LabelKind.FindName(values.ItemType) is not null
            ? new([MLNetInternals.Column(TrainingLabelValues, values.Kind, values.ItemType)])
            : null;

    /// <summary>Returns the annotations of the generated columns: the label values in their original kind.</summary>
    public DataViewSchema.Annotations? ToAnnotations()
    {
        if (Values is null) return null;

        var annotations = new DataViewSchema.Annotations.Builder();
        LabelKind.Find(Kind)!.Write(annotations, TrainingLabelValues, Values);
        return annotations.ToAnnotations();
    }

    /// <summary>Adds what is wrong with a vocabulary that was read from a file.</summary>
    public void Check(OptionErrors errors)
    {
        errors.Positive(Count, Most);
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
        for (var i = 0; i < Count; i++)
            if (label == (Values?[i] ?? (i + 1).ToString(CultureInfo.InvariantCulture))) return i;

        throw new ArgumentException($"'{label}' is not one of the model's {this}.", nameof(label));
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        const int Shown = 12;
        if (Values is null) return $"{Count} labels";

        return $"{Count} labels ({string.Join(", ", Values.Take(Shown))}{(Values.Count > Shown ? ", ..." : "")})";
    }
}
