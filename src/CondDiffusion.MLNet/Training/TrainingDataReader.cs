using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// Reads the training rows into an <see cref="ImageStore"/>, in one pass: ML.NET's image transforms dispose the images
/// that they read.
/// </summary>
internal static class TrainingDataReader
{
    /// <summary>Reads every row.</summary>
    /// <param name="data">The training rows.</param>
    /// <param name="label">Their key column.</param>
    /// <param name="feature">Their float vector column.</param>
    /// <param name="store">The store to fill, which is empty. It knows how many values each vector must have.</param>
    /// <param name="checkAlive">Called for each row; it throws to stop the reading.</param>
    /// <param name="weight">Their column of weights, which are Single; null if every image has the weight 1.</param>
    /// <param name="isGenerated">Their Boolean column of which are generated; null if none is.</param>
    /// <exception cref="InvalidOperationException">
    /// There are no rows; or a row cannot be read, has no label or no image, or its image has another size or values
    /// out of range.
    /// </exception>
    /// <exception cref="IOException">The images must go to disk and cannot.</exception>
    public static void Read(
        IDataView data,
        DataViewSchema.Column label,
        DataViewSchema.Column feature,
        ImageStore store,
        Action checkAlive,
        DataViewSchema.Column? weight = null,
        DataViewSchema.Column? isGenerated = null)
    {
        DataViewSchema.Column?[] columns = [label, feature, weight, isGenerated];
        using var cursor = data.GetRowCursor(columns.OfType<DataViewSchema.Column>());
        var getKey = KeyGetter.Create(cursor, label);
        var getImage = cursor.GetGetter<VBuffer<float>>(feature);
        var getWeight = weight is null ? null : cursor.GetGetter<float>(weight.Value);
        var getIsGenerated = isGenerated is null ? null : cursor.GetGetter<bool>(isGenerated.Value);
        var labels = ((KeyDataViewType)label.Type).Count;

        // ExtractPixels makes an empty sparse vector of a missing image. Where there are no images, such a vector is an
        // image of zeros.
        var comesFromImages = data.Schema.Any(column => column.Type is ImageDataViewType);
        VBuffer<float> image = default;
        var dense = new float[store.Pixels];

        var key = 0ul;
        var imageWeight = 1f;
        var isImageGenerated = false;
        while (MoveNext())
        {
            checkAlive();
            ReadRow();
            if (key == 0) throw Bad($"column '{label.Name}' has no label (a missing key)");
            if (key > labels) throw Bad($"column '{label.Name}' has the key {key}, but its type has {labels} keys");

            CheckLength();
            image.CopyTo(dense);
            if (PixelConversion.FindRangeError(dense) is { } error) throw Bad($"column '{feature.Name}' {error}");
            CheckWeight();
            store.Add(dense, (int)(key - 1), imageWeight, isImageGenerated);
        }

        if (store.Count == 0) throw new InvalidOperationException("The training data has no rows.");

        bool MoveNext()
        {
            try
            {
                return cursor.MoveNext();
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                throw Unreadable($"the rows from {store.Count} on", e);
            }
        }

        void ReadRow()
        {
            var column = label;
            try
            {
                key = getKey();
                column = feature;
                getImage(ref image);
                column = weight ?? column;
                getWeight?.Invoke(ref imageWeight);
                column = isGenerated ?? column;
                getIsGenerated?.Invoke(ref isImageGenerated);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                throw Unreadable($"row {store.Count}, column '{column.Name}',", e);
            }
        }

        void CheckLength()
        {
            if (image.Length != store.Pixels)
                throw Bad($"column '{feature.Name}' must have {store.Pixels} values, but has {image.Length}");

            if (comesFromImages && image.GetValues().IsEmpty)
                throw Bad($"column '{feature.Name}' has no image");
        }

        void CheckWeight()
        {
            if (imageWeight >= 0 && float.IsFinite(imageWeight)) return;

            throw Bad(
                $"column '{weight!.Value.Name}' must have a finite weight of at least 0, but has {imageWeight}");
        }

        InvalidOperationException Bad(string what) => new($"Training row {cursor.Position}: {what}.");
    }

    private static InvalidOperationException Unreadable(string what, Exception e)
    {
        var cause = e.GetBaseException().Message;
        var advice = cause.Contains("disposed", StringComparison.Ordinal)
            ? " An image is missing there, or was read before: ML.NET's image transforms dispose the images that " +
              "they read."
            : "";
        return new($"Training data, {what} cannot be read: {cause}{advice}", e);
    }
}
