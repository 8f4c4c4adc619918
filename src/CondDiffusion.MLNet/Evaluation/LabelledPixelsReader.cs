using CondDiffusion.MLNet.Classification;
using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>Reads labelled images of a view into memory.</summary>
internal sealed class LabelledPixelsReader
{
    private readonly IDataView _data;
    private readonly string _view;
    private readonly LabelReader _label;
    private readonly DataViewSchema.Column _image;
    private readonly ImageShape _shape;

    /// <param name="data">The view.</param>
    /// <param name="view">The view's part in the evaluation, for messages.</param>
    /// <param name="label">Name of the label column.</param>
    /// <param name="image">Name of the column of images or of their pixels.</param>
    /// <param name="shape">The shape to bring the images to.</param>
    /// <exception cref="ArgumentException">A column is missing or of the wrong type.</exception>
    public LabelledPixelsReader(IDataView data, string view, string label, string image, ImageShape shape)
    {
        _data = data;
        _view = view;
        _label = new(EvaluatedColumn.Find(data, view, label, "label"), view);
        _image = EvaluatedColumn.Find(data, view, image, "image");
        _shape = shape;

        if (_image.Type is not ImageDataViewType && !shape.IsHeldBy(_image.Type))
        {
            throw new ArgumentException(
                $"Column '{image}' of the {view} data must hold images, or vectors of {shape.Pixels} Single, {shape} " +
                $"or flat, but is of type {_image.Type}.",
                view);
        }
    }

    /// <summary>Gets the view's part in the evaluation.</summary>
    public string View => _view;

    /// <summary>Gets the column of labels.</summary>
    public LabelReader Label => _label;

    /// <summary>Reads the first images of each label, and no others.</summary>
    /// <param name="limit">Returns the number of images of a label to read.</param>
    /// <param name="checkAlive">Called for each row; it throws to stop the reading.</param>
    /// <exception cref="InvalidOperationException">
    /// There are no rows; or a row has no label, or no image of the right kind.
    /// </exception>
    public IReadOnlyList<LabelledPixels> Read(Func<string, int> limit, Action checkAlive)
    {
        var label = _data.Schema[_label.Name];
        using var cursor = _data.GetRowCursor([label, _image]);
        using var reader = new PixelsReader(cursor, _image, _shape);
        var getLabel = _label.CreateGetter(cursor);
        var counts = new Dictionary<string, int>();
        var images = new List<LabelledPixels>();
        while (cursor.MoveNext())
        {
            checkAlive();
            var text = getLabel();
            if (text.Length == 0)
            {
                throw new InvalidOperationException(
                    $"Row {cursor.Position} of the {_view} data: column '{label.Name}' has no label.");
            }

            var count = counts.GetValueOrDefault(text);
            if (count >= limit(text)) continue;

            counts[text] = count + 1;
            images.Add(new(text, reader.ReadChecked().Values));
        }

        return images.Count > 0
            ? images
            : throw new InvalidOperationException($"The {_view} data has no rows to use.");
    }
}
