using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Augmentation;

/// <summary>The columns of an augmented view, and their values in generated rows.</summary>
internal sealed class AugmentedColumns
{
    private readonly DataViewSchema _real;
    private readonly string _isGenerated;
    private readonly int _label;
    private readonly int _image;
    private readonly ImageShape _shape;
    private readonly (int Height, int Width)? _size;
    private readonly IReadOnlyDictionary<string, object> _labelValues;

    /// <param name="real">The columns of the real data.</param>
    /// <param name="options">The names of the columns.</param>
    /// <param name="shape">The shape of the generated images.</param>
    /// <param name="labelValues">The value of the label column for each label.</param>
    public AugmentedColumns(
        DataViewSchema real,
        AugmentationOptions options,
        ImageShape shape,
        IReadOnlyDictionary<string, object> labelValues)
    {
        _real = real;
        _isGenerated = options.IsGeneratedColumnName;
        _label = real[options.LabelColumnName].Index;
        _image = real[options.ImageColumnName].Index;
        _shape = shape;
        _labelValues = labelValues;
        if (real[_image].Type is ImageDataViewType { Height: > 0, Width: > 0 } type &&
            (type.Height, type.Width) != (shape.Height, shape.Width))
        {
            _size = (type.Height, type.Width);
        }

        var schema = new DataViewSchema.Builder();
        schema.AddColumns(real);
        schema.AddColumn(_isGenerated, BooleanDataViewType.Instance);
        Schema = schema.ToSchema();
    }

    public DataViewSchema Schema { get; }

    /// <summary>Whether generated images have another size than the column states, and are resized.</summary>
    public bool Resizes => _size is not null;

    /// <summary>Whether the resized images are cropped, since the column states another ratio of the sides.</summary>
    public bool Crops => _size is var (height, width) && height * _shape.Width != width * _shape.Height;

    /// <summary>Whether a column is that of the images.</summary>
    public bool IsImage(DataViewSchema.Column column) => column.Index == _image;

    /// <summary>
    /// Finds the column that a column's values in real rows come from. The added one has those of the column of the
    /// same name, where rows that were generated before are known by it; null where there is none.
    /// </summary>
    public DataViewSchema.Column? FindReal(DataViewSchema.Column column) =>
        IsAdded(column) ? _real.GetColumnOrNull(_isGenerated) : _real[column.Index];

    /// <summary>Creates a getter of a column's value in generated rows.</summary>
    /// <param name="column">The column.</param>
    /// <param name="readLabel">Returns the label of the current row.</param>
    /// <param name="readPixels">Returns the values of the current row's image.</param>
    /// <exception cref="InvalidOperationException">The column's values have another type.</exception>
    public ValueGetter<T> CreateGetter<T>(
        DataViewSchema.Column column, Func<string> readLabel, Func<ReadOnlyMemory<float>> readPixels)
    {
        if (typeof(T) != column.Type.RawType) throw RowErrors.WrongType(column, typeof(T));
        if (IsAdded(column)) return (ValueGetter<T>)(Delegate)(ValueGetter<bool>)((ref value) => value = true);
        if (IsImage(column)) return (ValueGetter<T>)CreateImageGetter(column.Type, readPixels);
        if (column.Index == _label) return (ref value) => value = (T)_labelValues[readLabel()];
        return (ref value) => value = MissingValues.Create<T>(column.Type);
    }

    private bool IsAdded(DataViewSchema.Column column) => column.Index == Schema.Count - 1;

    private Delegate CreateImageGetter(DataViewType type, Func<ReadOnlyMemory<float>> readPixels)
    {
        if (type is ImageDataViewType)
            return (ValueGetter<MLImage>)((ref image) => image = ToImage(readPixels().Span));

        return (ValueGetter<VBuffer<float>>)((ref values) =>
            PixelConversion.CopyClamped(readPixels().Span, ref values));
    }

    private MLImage ToImage(ReadOnlySpan<float> pixels)
    {
        var image = PixelConversion.ToImage(pixels, _shape);
        if (_size is not var (height, width)) return image;

        using (image) return ImageResizer.Resize(image, height, width);
    }
}
